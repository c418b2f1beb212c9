//! rpc-info.json: the one profile that is ours, out of a file that others write (PROTOCOL §3, §7).
//!
//! Reads bytes, not files. Entries of other installations are stepped over without being looked at, so that
//! none of them
//! can break ours or cost memory.

use std::fmt;
use std::path::Path;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::limits::{ROOTS_MAX, RPC_INFO_BYTES_MAX};
use crate::object::Object;

/// Our entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The browser extension that may call.
    pub extension_id: Option<String>,
    /// The download roots, keys unique.
    pub roots: Vec<RootInfo>,
}

/// A download root, as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootInfo {
    /// What clients call it.
    pub key: String,
    /// Where it is: an absolute path of this platform.
    pub path: String,
    /// What people call it; its key where the file says nothing.
    pub display_name: String,
    /// Whether it is on a removable disk (default false).
    pub removable: bool,
    /// Whether the native host found it when it last looked (default true).
    pub last_stat_ok: bool,
    /// When it last looked, in the host's own unit (default 0).
    pub last_checked: i64,
}

/// Why there is no profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RpcInfoError {
    /// `rpc_info_unreadable`: not JSON, of another shape, or over a limit.
    Unreadable(String),
    /// `install_id_unknown`: no entry bears the install id.
    InstallIdUnknown,
}

impl fmt::Display for RpcInfoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RpcInfoError::Unreadable(why) => write!(f, "rpc-info.json can't be read: {why}"),
            RpcInfoError::InstallIdUnknown => {
                f.write_str("rpc-info.json has no profile with this install id")
            }
        }
    }
}

impl std::error::Error for RpcInfoError {}

/// Finds the entry with `install_id` and reads it. Of several such entries the first counts; of several roots
/// with one key, too.
pub fn parse(bytes: &[u8], install_id: &str) -> Result<Profile, RpcInfoError> {
    if bytes.len() > RPC_INFO_BYTES_MAX {
        return Err(unreadable(format!("it has more than {RPC_INFO_BYTES_MAX} bytes")));
    }
    // Editors on Windows like to begin a file with a byte order mark.
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let place = read(bytes, Ours::Find(install_id)).map(|found| found.place)?;
    let place = place.ok_or(RpcInfoError::InstallIdUnknown)?;
    let entry = read(bytes, Ours::Read(place))?.entry.ok_or(RpcInfoError::InstallIdUnknown)?;
    entry.check()
}

/// The array that ROOTS_CHANGED carries: `{key, displayName, removable, lastStatOk}` each, no paths.
pub fn roots_changed_json(roots: &[RootInfo]) -> Vec<u8> {
    let shown: Vec<_> = roots.iter().map(ShownRoot::from).collect();
    // Strings and booleans only: serializing them into memory has no way to fail.
    serde_json::to_vec(&shown).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownRoot<'a> {
    key: &'a str,
    display_name: &'a str,
    removable: bool,
    last_stat_ok: bool,
}

impl<'a> From<&'a RootInfo> for ShownRoot<'a> {
    fn from(root: &'a RootInfo) -> Self {
        ShownRoot {
            key: &root.key,
            display_name: &root.display_name,
            removable: root.removable,
            last_stat_ok: root.last_stat_ok,
        }
    }
}

fn unreadable(why: impl fmt::Display) -> RpcInfoError {
    RpcInfoError::Unreadable(why.to_string())
}

/// One pass over the file.
fn read(bytes: &[u8], want: Ours<'_>) -> Result<Found, RpcInfoError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let found = File(want).deserialize(&mut json).map_err(unreadable)?;
    json.end().map_err(unreadable)?;
    Ok(found)
}

/// Our entry as it stands in the file.
#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    extension_id: Option<String>,
    download_roots: Vec<Object<EntryRoot>>,
}

#[derive(Deserialize)]
struct EntryRoot {
    key: String,
    path: String,
    display_name: Option<String>,
    removable: Option<bool>,
    last_stat_ok: Option<bool>,
    last_checked: Option<serde_json::Number>,
}

impl Entry {
    fn check(self) -> Result<Profile, RpcInfoError> {
        if self.download_roots.len() > ROOTS_MAX {
            return Err(unreadable(format!("our profile has more than {ROOTS_MAX} roots")));
        }
        let mut roots: Vec<RootInfo> = Vec::with_capacity(self.download_roots.len());
        for Object(root) in self.download_roots {
            let root = root.check()?;
            if !roots.iter().any(|known| known.key == root.key) {
                roots.push(root);
            }
        }
        Ok(Profile { extension_id: self.extension_id.filter(|id| !id.is_empty()), roots })
    }
}

impl EntryRoot {
    fn check(self) -> Result<RootInfo, RpcInfoError> {
        if self.key.is_empty() {
            return Err(unreadable("a download root has an empty key"));
        }
        if !Path::new(&self.path).is_absolute() || self.path.contains('\0') {
            return Err(unreadable(format!("the path of download root {:?} is not absolute", self.key)));
        }
        let last_checked =
            self.last_checked.and_then(|number| number.as_i64().or(number.as_f64().map(|n| n as i64)));
        Ok(RootInfo {
            display_name: self.display_name.unwrap_or_else(|| self.key.clone()),
            key: self.key,
            path: self.path,
            removable: self.removable.unwrap_or(false),
            last_stat_ok: self.last_stat_ok.unwrap_or(true),
            last_checked: last_checked.unwrap_or(0),
        })
    }
}

/// What a pass is after.
#[derive(Clone, Copy)]
enum Ours<'a> {
    /// The place of the first entry with this install id.
    Find(&'a str),
    /// The entry in this place.
    Read(usize),
}

/// What a pass found.
#[derive(Default)]
struct Found {
    place: Option<usize>,
    entry: Option<Entry>,
}

/// The file as a whole: an object with `profiles`.
struct File<'a>(Ours<'a>);

impl<'de> DeserializeSeed<'de> for File<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for File<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with profiles")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<String>()? {
            if name != "profiles" {
                map.next_value::<IgnoredAny>()?;
            } else if found.replace(map.next_value_seed(Profiles(self.0))?).is_some() {
                return Err(de::Error::duplicate_field("profiles"));
            }
        }
        found.ok_or_else(|| de::Error::missing_field("profiles"))
    }
}

/// The array of entries.
struct Profiles<'a>(Ours<'a>);

impl<'de> DeserializeSeed<'de> for Profiles<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Profiles<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of profiles")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Found, A::Error> {
        let mut found = Found::default();
        for place in 0.. {
            let more = match self.0 {
                Ours::Find(install_id) => entries
                    .next_element_seed(Probe { install_id, is_member: false })?
                    .map(|is_ours| found.place = found.place.or(is_ours.then_some(place))),
                Ours::Read(ours) if ours == place => {
                    entries.next_element()?.map(|entry| found.entry = Some(entry))
                }
                Ours::Read(_) => entries.next_element::<IgnoredAny>()?.map(|_| ()),
            };
            if more.is_none() {
                break;
            }
        }
        Ok(found)
    }
}

/// Any value at all. Of an entry: is it an object whose `install_id` is ours? Of that member: is it our id?
#[derive(Clone, Copy)]
struct Probe<'a> {
    install_id: &'a str,
    is_member: bool,
}

impl<'de> DeserializeSeed<'de> for Probe<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Probe<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut is_ours = false;
        while let Some(name) = map.next_key::<String>()? {
            if name == "install_id" && !self.is_member {
                is_ours |= map.next_value_seed(Probe { is_member: true, ..self })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(is_ours)
    }

    fn visit_str<E>(self, text: &str) -> Result<bool, E> {
        Ok(self.is_member && text == self.install_id)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<bool, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(false)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }
}
