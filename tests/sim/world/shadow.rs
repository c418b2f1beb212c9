//! What each file must hold by what was answered: a shadow of the disk, fed by answers alone. A byte is known, or it is
//! not: after a write that failed, it may be the old one or the new one.

/// All files that clients know of.
#[derive(Debug, Default)]
pub(crate) struct Shadow {
    pub(crate) files: Vec<ShadowFile>,
}

/// One file, as one client may expect it. Several clients have their own view of one that they share.
#[derive(Debug, Clone)]
pub(crate) struct ShadowFile {
    pub(crate) root: String,
    pub(crate) path: String,
    /// Whether it is there, where that is known.
    pub(crate) exists: Option<bool>,
    /// Its size, where that is known.
    pub(crate) size: Option<u64>,
    bytes: Vec<u8>,
    known: Vec<bool>,
    /// The part that its client may write; all of it, and its size, where there is no such part.
    pub(crate) stripe: Option<(u64, u64)>,
    /// Others work on the same bytes, or its end is open: nothing is expected of it any more.
    pub(crate) retired: bool,
}

impl ShadowFile {
    /// A file that is not there yet.
    pub(crate) fn absent(root: &str, path: String) -> ShadowFile {
        ShadowFile {
            root: root.to_owned(),
            path,
            exists: Some(false),
            size: Some(0),
            bytes: Vec::new(),
            known: Vec::new(),
            stripe: None,
            retired: false,
        }
    }

    /// A file that is there, of which `from..to` belongs to the client whose view this is.
    pub(crate) fn shared(root: &str, path: &str, bytes: &[u8], from: u64, to: u64) -> ShadowFile {
        let mut known = vec![false; bytes.len()];
        known[from as usize..to as usize].fill(true);
        ShadowFile {
            exists: Some(true),
            size: Some(bytes.len() as u64),
            bytes: bytes.to_vec(),
            known,
            stripe: Some((from, to)),
            ..ShadowFile::absent(root, path.to_owned())
        }
    }

    fn grow(&mut self, length: usize, known: bool) {
        if self.bytes.len() < length {
            self.bytes.resize(length, 0);
            self.known.resize(length, known);
        }
    }

    /// It is not there any more.
    pub(crate) fn deleted(&mut self) {
        let retired = self.retired;
        *self = ShadowFile::absent(&self.root, std::mem::take(&mut self.path));
        self.retired = retired;
    }

    /// A write was acknowledged.
    pub(crate) fn wrote(&mut self, offset: u64, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        let (start, end) = (offset as usize, offset as usize + data.len());
        self.grow(start, self.size.is_some());
        self.grow(end, true);
        self.bytes[start..end].copy_from_slice(data);
        self.known[start..end].fill(true);
        self.size = self.size.map(|size| size.max(end as u64));
    }

    /// A write was refused half-way.
    pub(crate) fn write_failed(&mut self, offset: u64, length: u64) {
        if length == 0 {
            return;
        }
        let end = (offset + length) as usize;
        if self.stripe.is_none() && self.size.is_none_or(|size| size < end as u64) {
            self.size = None;
        }
        let known_until = self.known.len();
        self.grow(end, false);
        self.known[(offset as usize).min(known_until)..end].fill(false);
    }

    /// Its size is this now.
    pub(crate) fn resized(&mut self, size: u64) {
        let certain = self.size.is_some();
        self.bytes.truncate(size as usize);
        self.known.truncate(size as usize);
        self.grow(size as usize, certain);
        self.size = Some(size);
    }

    /// Its size may have become another.
    pub(crate) fn resize_failed(&mut self, size: u64) {
        if self.size != Some(size) {
            self.size = None;
            self.known.iter_mut().skip(size as usize).for_each(|known| *known = false);
        }
    }

    /// It was opened, and perhaps made.
    pub(crate) fn opened(&mut self, size: u64) {
        if self.exists != Some(true) {
            self.exists = Some(true);
            self.size = None;
        }
        if self.size.is_none() {
            self.resized(size);
        }
    }

    /// Bytes read at `offset` are what was written.
    pub(crate) fn check(&self, offset: u64, data: &[u8]) {
        let place = offset as usize..offset as usize + data.len();
        if self.bytes.get(place) == Some(data) {
            return;
        }
        for (index, byte) in data.iter().enumerate() {
            let at = offset as usize + index;
            let known = self.known.get(at).copied().unwrap_or(false);
            assert!(
                !known || self.bytes[at] == *byte,
                "{}/{}: byte {at} is {byte:#04x}, {:#04x} was written",
                self.root,
                self.path,
                self.bytes[at]
            );
        }
    }

    /// The bytes of a span, where all of them are known.
    pub(crate) fn certain(&self, offset: u64, length: u64) -> Option<&[u8]> {
        let span = offset as usize..(offset + length) as usize;
        let known = self.known.get(span.clone())?;
        let fine = !self.retired && self.size.is_some() && !known.contains(&false);
        self.bytes.get(span).filter(|_| fine)
    }

    /// The whole file is what was acknowledged.
    pub(crate) fn check_whole(&self, content: Option<&[u8]>) {
        if self.retired {
            return;
        }
        if let Some(exists) = self.exists {
            assert_eq!(content.is_some(), exists, "{}/{} is there", self.root, self.path);
        }
        let Some(content) = content else { return };
        if let Some(size) = self.size {
            assert_eq!(content.len() as u64, size, "size of {}/{}", self.root, self.path);
        }
        self.check(0, content);
        let there = content.len().min(self.known.len());
        assert!(!self.known[there..].contains(&true), "{}/{} lost its end", self.root, self.path);
    }
}
