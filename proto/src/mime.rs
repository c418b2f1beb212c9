//! Content types by the ending of a file's name, for `/stream` (PROTOCOL §5).
//!
//! An own table, because common guessers get `.ts`, `.m2ts` and `.m4v` wrong. Nothing in it is active
//! content: a
//! torrent's HTML, SVG, XML or script, opened by a ticket's URL, would run with the daemon's own origin,
//! which may
//! call the daemon. What such a file says is shown as text; `nosniff` keeps browsers from thinking otherwise.

/// The type of what has no known ending.
pub const OCTET_STREAM: &str = "application/octet-stream";

const TEXT: &str = "text/plain; charset=utf-8";

/// Endings in lower case, without the dot, in order.
#[rustfmt::skip]
const TYPES: &[(&str, &str)] = &[
    ("3g2", "video/3gpp2"), ("3gp", "video/3gpp"), ("7z", "application/x-7z-compressed"), ("aac", "audio/aac"),
    ("ac3", "audio/ac3"), ("aif", "audio/aiff"), ("aiff", "audio/aiff"), ("ape", "audio/x-ape"),
    ("ass", "text/x-ssa"), ("asf", "video/x-ms-asf"), ("avi", "video/x-msvideo"), ("avif", "image/avif"),
    ("bmp", "image/bmp"), ("bz2", "application/x-bzip2"), ("c", TEXT), ("cbr", "application/vnd.comicbook-rar"),
    ("cbz", "application/vnd.comicbook+zip"), ("cfg", TEXT), ("conf", TEXT), ("css", TEXT), ("csv", TEXT),
    ("dff", "audio/x-dff"), ("divx", "video/x-msvideo"), ("dsf", "audio/x-dsf"), ("dts", "audio/vnd.dts"),
    ("eac3", "audio/eac3"), ("epub", "application/epub+zip"), ("f4v", "video/mp4"), ("flac", "audio/flac"),
    ("flv", "video/x-flv"), ("gif", "image/gif"), ("gz", "application/gzip"), ("heic", "image/heic"),
    ("htm", TEXT), ("html", TEXT), ("ico", "image/x-icon"), ("idx", TEXT), ("ini", TEXT),
    ("iso", "application/x-iso9660-image"), ("jpeg", "image/jpeg"), ("jpg", "image/jpeg"), ("js", TEXT),
    ("json", TEXT), ("jxl", "image/jxl"), ("log", TEXT), ("m1v", "video/mpeg"), ("m2t", "video/mp2t"),
    ("m2ts", "video/mp2t"), ("m2v", "video/mpeg"), ("m3u", "audio/x-mpegurl"),
    ("m3u8", "application/vnd.apple.mpegurl"), ("m4a", "audio/mp4"), ("m4b", "audio/mp4"), ("m4v", "video/mp4"),
    ("md", TEXT), ("mhtml", TEXT), ("mid", "audio/midi"), ("midi", "audio/midi"), ("mjs", TEXT), ("mka", "audio/x-matroska"),
    ("mkv", "video/x-matroska"), ("mobi", "application/x-mobipocket-ebook"), ("mov", "video/quicktime"),
    ("mp2", "audio/mpeg"), ("mp3", "audio/mpeg"), ("mp4", "video/mp4"), ("mpe", "video/mpeg"), ("mpeg", "video/mpeg"),
    ("mpg", "video/mpeg"), ("mpv", "video/mpeg"), ("mts", "video/mp2t"), ("nfo", TEXT), ("oga", "audio/ogg"),
    ("ogg", "audio/ogg"), ("ogm", "video/ogg"), ("ogv", "video/ogg"), ("opus", "audio/ogg"), ("pdf", "application/pdf"),
    ("png", "image/png"), ("qt", "video/quicktime"), ("rar", "application/vnd.rar"), ("rm", "application/vnd.rn-realmedia"),
    ("rmvb", "application/vnd.rn-realmedia-vbr"), ("rtf", "application/rtf"), ("sfv", TEXT), ("smi", TEXT),
    ("srt", "application/x-subrip"), ("ssa", "text/x-ssa"), ("sub", TEXT), ("sup", OCTET_STREAM), ("svg", TEXT),
    ("tar", "application/x-tar"), ("tif", "image/tiff"), ("tiff", "image/tiff"), ("torrent", "application/x-bittorrent"),
    ("ts", "video/mp2t"), ("ttml", TEXT), ("txt", TEXT), ("vob", "video/mpeg"), ("vtt", "text/vtt"), ("wav", "audio/wav"),
    ("weba", "audio/webm"), ("webm", "video/webm"), ("webp", "image/webp"), ("wma", "audio/x-ms-wma"),
    ("wmv", "video/x-ms-wmv"), ("wv", "audio/x-wavpack"), ("xhtml", TEXT), ("xml", TEXT), ("xsl", TEXT),
    ("xz", "application/x-xz"), ("yaml", TEXT), ("yml", TEXT), ("zip", "application/zip"), ("zst", "application/zstd"),
];

/// The content type for a file of this name (a path will do).
pub fn from_name(name: &str) -> &'static str {
    let file_name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let Some((stem, ending)) = file_name.rsplit_once('.') else { return OCTET_STREAM };
    if stem.is_empty() {
        return OCTET_STREAM;
    }
    let known = TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(ending));
    known.map_or(OCTET_STREAM, |&(_, content_type)| content_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_guessers_get_wrong() {
        for (name, expected) in [
            ("a/b.ts", "video/mp2t"),
            ("x.M2TS", "video/mp2t"),
            ("x.m4v", "video/mp4"),
            ("Film.2024.MKV", "video/x-matroska"),
            ("s.ass", "text/x-ssa"),
            ("noending", OCTET_STREAM),
            ("dir.mkv/file", OCTET_STREAM),
            (".mp4", OCTET_STREAM),
            ("x.", OCTET_STREAM),
            ("x.exe", OCTET_STREAM),
        ] {
            assert_eq!(from_name(name), expected, "{name}");
        }
    }

    #[test]
    fn nothing_is_active_content() {
        for &(ending, content_type) in TYPES {
            assert_eq!(ending, ending.to_ascii_lowercase());
            let active = ["html", "svg", "xml", "javascript", "ecmascript", "css"];
            assert!(!active.iter().any(|word| content_type.contains(word)), "{ending}");
        }
        for ending in ["html", "htm", "xhtml", "svg", "xml", "js", "mjs", "mhtml", "xsl", "css"] {
            assert_eq!(from_name(&format!("x.{ending}")), TEXT);
        }
        let mut endings: Vec<_> = TYPES.iter().map(|(ending, _)| ending).collect();
        endings.sort_unstable();
        endings.dedup();
        assert_eq!(endings.len(), TYPES.len(), "an ending stands there twice");
    }
}
