//! rpc-info.json: what is needed, what may be missing, and what others' entries can't break (PROTOCOL §3, §7).

use jstorrent_io_proto::limits::{ROOTS_MAX, RPC_INFO_BYTES_MAX};
use jstorrent_io_proto::rpc_info::{Profile, RpcInfoError, parse, roots_changed_json};
use proptest::prelude::*;

/// An absolute path of this platform.
const DIR: &str = if cfg!(windows) { "C:/d" } else { "/d" };

fn file(profiles: &str) -> String {
    format!(r#"{{"version":1,"profiles":[{}]}}"#, profiles.replace("DIR", DIR))
}

fn read(profiles: &str) -> Result<Profile, RpcInfoError> {
    parse(file(profiles).as_bytes(), "me")
}

fn is_unreadable(text: &str) -> bool {
    matches!(parse(text.replace("DIR", DIR).as_bytes(), "me"), Err(RpcInfoError::Unreadable(_)))
}

#[test]
fn a_whole_entry() {
    let profile = read(
        r#"{"install_id":"me","extension_id":"abc","other":[1,{"x":null}],"download_roots":[
            {"key":"k1","path":"DIR","display_name":"Films","removable":true,"last_stat_ok":false,"last_checked":1700000000000,"new":1},
            {"key":"k2","path":"DIR/2"}]}"#,
    )
    .unwrap();
    assert_eq!(profile.extension_id.as_deref(), Some("abc"));
    let [first, second] = &profile.roots[..] else { panic!("{profile:?}") };
    assert_eq!((first.key.as_str(), first.path.as_str(), first.display_name.as_str()), ("k1", DIR, "Films"));
    assert_eq!((first.removable, first.last_stat_ok, first.last_checked), (true, false, 1_700_000_000_000));
    assert_eq!((second.display_name.as_str(), second.removable, second.last_stat_ok), ("k2", false, true));
    assert_eq!(
        String::from_utf8(roots_changed_json(&profile.roots)).unwrap(),
        r#"[{"key":"k1","displayName":"Films","removable":true,"lastStatOk":false},{"key":"k2","displayName":"k2","removable":false,"lastStatOk":true}]"#
    );
}

#[test]
fn all_but_four_members_may_be_null_or_missing() {
    let least = read(r#"{"install_id":"me","download_roots":[{"key":"k","path":"DIR"}]}"#).unwrap();
    let nulls = read(
        r#"{"install_id":"me","extension_id":null,"download_roots":[{"key":"k","path":"DIR","display_name":null,
            "removable":null,"last_stat_ok":null,"last_checked":null}]}"#,
    );
    assert_eq!(nulls, Ok(least));
    assert_eq!(read(r#"{"download_roots":[],"install_id":"me"}"#), Ok(Profile::default()));
    assert_eq!(read(r#"{"download_roots":[],"install_id":"me","extension_id":""}"#), Ok(Profile::default()));
    assert!(parse(br#"{"profiles":[{"install_id":"me","download_roots":[]}]}"#, "me").is_ok(), "no version");
    assert!(
        parse(br#"{"version":{},"profiles":[{"install_id":"me","download_roots":[]}],"x":[]}"#, "me").is_ok()
    );
    assert!(
        parse(b"\xEF\xBB\xBF{\"profiles\":[{\"install_id\":\"me\",\"download_roots\":[]}]}", "me").is_ok()
    );
}

#[test]
fn others_break_nothing() {
    let ours = r#"{"install_id":"me","download_roots":[{"key":"k","path":"DIR"}]}"#;
    for other in [
        "null",
        "1",
        "-1",
        "1.5",
        "true",
        r#""me""#,
        "[]",
        r#"["install_id","me"]"#,
        "{}",
        r#"{"install_id":null}"#,
        r#"{"install_id":["me"]}"#,
        r#"{"install_id":{"install_id":"me"}}"#,
        r#"{"install_id":"you","download_roots":"none"}"#,
        r#"{"install_id":"you","download_roots":[{"path":1}]}"#,
        r#"{"profiles":[{"install_id":"me"}]}"#,
        r#"{"install_id":7,"install_id":8}"#,
    ] {
        for profiles in [format!("{other},{ours}"), format!("{ours},{other}")] {
            assert_eq!(read(&profiles).map(|profile| profile.roots.len()), Ok(1), "{profiles}");
        }
        assert_eq!(read(other), Err(RpcInfoError::InstallIdUnknown), "{other}");
    }
    assert_eq!(read(""), Err(RpcInfoError::InstallIdUnknown));
}

#[test]
fn what_comes_first_counts() {
    let two = read(
        r#"{"install_id":"me","extension_id":"a","download_roots":[]},{"install_id":"me","extension_id":"b","download_roots":[]}"#,
    );
    assert_eq!(two.unwrap().extension_id.as_deref(), Some("a"));
    let keys = read(
        r#"{"install_id":"me","download_roots":[{"key":"k","path":"DIR/1"},{"key":"k","path":"DIR/2"}]}"#,
    );
    let paths: Vec<_> = keys.unwrap().roots.into_iter().map(|root| root.path).collect();
    assert_eq!(paths, [format!("{DIR}/1")]);
}

#[test]
#[rustfmt::skip]
fn what_cannot_be_read() {
    for text in [
        "", "null", "[]", "{}", "nonsense", "{\"profiles\":[]", "{\"profiles\":[]} x", "{\"profiles\":null}", "{\"profiles\":{}}",
        "{\"profiles\":[],\"profiles\":[]}", "{\"profiles\":[\"\u{1}\"]}",
    ] {
        assert!(is_unreadable(text), "{text}");
    }
    for entry in [
        r#"{"install_id":"me","download_roots":[["k","DIR/a","A",false,true,0]]}"#,
        r#"{"install_id":"me"}"#, r#"{"install_id":"me","download_roots":null}"#, r#"{"install_id":"me","download_roots":{}}"#,
        r#"{"install_id":"me","download_roots":[null]}"#, r#"{"install_id":"me","download_roots":[{"key":"k"}]}"#,
        r#"{"install_id":"me","download_roots":[{"path":"DIR"}]}"#, r#"{"install_id":"me","download_roots":[{"key":null,"path":"DIR"}]}"#,
        r#"{"install_id":"me","download_roots":[{"key":"","path":"DIR"}]}"#, r#"{"install_id":"me","download_roots":[{"key":"k","path":"d"}]}"#,
        r#"{"install_id":"me","download_roots":[{"key":"k","path":""}]}"#, r#"{"install_id":"me","download_roots":[{"key":"k","path":"DIR\u0000"}]}"#,
        r#"{"install_id":"me","download_roots":[{"key":"k","path":"DIR","removable":"no"}]}"#,
        r#"{"install_id":"me","download_roots":[],"extension_id":5}"#, r#"{"install_id":"me","install_id":"me","download_roots":[],"download_roots":[]}"#,
    ] {
        assert!(is_unreadable(&file(entry)), "{entry}");
    }
    assert!(matches!(parse(b"{\"profiles\":[\"\xff\"]}", "me"), Err(RpcInfoError::Unreadable(_))));
}

#[test]
fn limits() {
    let roots = |count: usize| {
        let roots: Vec<_> = (0..count).map(|key| format!(r#"{{"key":"{key}","path":"DIR"}}"#)).collect();
        read(&format!(r#"{{"install_id":"me","download_roots":[{}]}}"#, roots.join(",")))
    };
    assert_eq!(roots(ROOTS_MAX).map(|profile| profile.roots.len()), Ok(ROOTS_MAX));
    assert!(matches!(roots(ROOTS_MAX + 1), Err(RpcInfoError::Unreadable(_))));
    let long = format!("{}{}", file(""), " ".repeat(RPC_INFO_BYTES_MAX));
    assert!(is_unreadable(&long));
    let deep = format!(r#"{{"x":{}{},"profiles":[]}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(
        parse(deep.as_bytes(), "me"),
        Err(RpcInfoError::InstallIdUnknown),
        "what is not looked at may be deep"
    );
}

proptest! {
    #[test]
    fn a_damaged_file_never_panics(place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut bytes = file(r#"{"install_id":"you"},{"install_id":"me","extension_id":"é","download_roots":[{"key":"k","path":"DIR"}]}"#).into_bytes();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let _ = parse(&bytes, "me");
        bytes.truncate(cut.index(bytes.len()));
        prop_assert!(matches!(parse(&bytes, "me"), Err(RpcInfoError::Unreadable(_))));
    }

    #[test]
    fn whatever_a_profile_holds_is_read_back(
        keys in prop::collection::hash_set("[^\0]{1,8}", 0..5),
        install_id in any::<String>(),
        extension_id in "[a-p]{1,32}",
    ) {
        let roots: Vec<_> = keys.iter().map(|key| serde_json::json!({"key": key, "path": DIR})).collect();
        let entry = serde_json::json!({"install_id": install_id, "extension_id": extension_id, "download_roots": roots});
        let text = serde_json::json!({"profiles": [{}, entry, 5]}).to_string();
        let profile = parse(text.as_bytes(), &install_id).unwrap();
        prop_assert_eq!(profile.extension_id, Some(extension_id));
        prop_assert!(profile.roots.iter().map(|root| &root.key).eq(keys.iter()));
    }
}
