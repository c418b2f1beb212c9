//! `POST /api/read-rpc-info-from-disk` (PROTOCOL §3).

use crate::harness::{Bench, INSTALL_ID};
use jstorrent_io_daemon::limits::Limits;
use serde_json::json;

const REFRESH: &str = "/api/read-rpc-info-from-disk";

fn write_config(bench: &Bench, content: &str) {
    std::fs::write(bench.dir.path().join("rpc-info.json"), content).unwrap();
}

fn write_roots(bench: &Bench, install_id: &str, roots: &[&str]) {
    let roots: Vec<_> =
        roots.iter().map(|key| json!({"key": key, "path": bench.dir.path().join(key)})).collect();
    let profile = json!({"install_id": install_id, "extension_id": "ext", "download_roots": roots});
    write_config(bench, &json!({"version": 1, "profiles": [profile]}).to_string());
}

fn keys(bench: &Bench) -> Vec<&str> {
    bench.engine.state.roots.all.iter().map(|configured| configured.info.key.as_str()).collect()
}

#[test]
fn replaces_the_whole_configuration() {
    let mut bench = Bench::new();
    write_roots(&bench, INSTALL_ID, &["a", "b"]);
    let response = bench.post(REFRESH).ok();
    assert_eq!((response.text(), response.field("Content-Type")), ("{}", Some("application/json")));
    assert_eq!(keys(&bench), ["a", "b"]);
    assert_eq!(bench.engine.state.roots.extension_id.as_deref(), Some("ext"));
    let request = bench.request("GET", "/health").field("Origin", "chrome-extension://ext");
    assert_eq!(bench.call(request).ok().field("Access-Control-Allow-Origin"), Some("chrome-extension://ext"));
}

#[test]
fn bodies_are_ignored() {
    let mut bench = Bench::new();
    write_roots(&bench, INSTALL_ID, &["a"]);
    for body in ["{}", "", "no json", "[1,2"] {
        let request = bench.request("POST", REFRESH).body(body);
        assert_eq!(bench.call(request).ok().text(), "{}");
    }
}

#[test]
fn errors_keep_the_old_state() {
    let mut bench = Bench::new();
    bench.post(REFRESH).refused(500, "rpc_info_unreadable");
    for content in ["", "{", "[]", r#"{"profiles":7}"#] {
        write_config(&bench, content);
        bench.post(REFRESH).refused(500, "rpc_info_unreadable");
    }
    write_roots(&bench, "other", &["a"]);
    bench.post(REFRESH).refused(404, "install_id_unknown");
    assert_eq!(keys(&bench), ["main"]);
}

#[test]
fn each_answer_reflects_a_reading_that_began_after_its_request() {
    let mut bench = Bench::new();
    bench.hold("ReadConfig");
    let ids: Vec<_> = (0..3).map(|_| bench.connect()).collect();
    let bytes = bench.request("POST", REFRESH).bytes();
    bench.send(ids[0], &bytes);
    bench.send(ids[1], &bytes);
    bench.send(ids[2], &bytes);
    assert_eq!(bench.held(), 1, "one reading at a time");
    write_config(&bench, "broken");
    bench.do_one();
    bench.response(ids[0], false).unwrap().refused(500, "rpc_info_unreadable");
    assert!(bench.response(ids[1], false).is_none(), "its reading has not begun");
    write_roots(&bench, INSTALL_ID, &["a"]);
    assert_eq!(bench.held(), 1);
    bench.do_one();
    bench.response(ids[1], false).unwrap().ok();
    bench.response(ids[2], false).unwrap().ok();
    assert_eq!((bench.held(), keys(&bench)), (0, vec!["a"]));
}

#[test]
fn a_reading_counts_though_its_client_has_gone() {
    let mut bench = Bench::new();
    write_roots(&bench, INSTALL_ID, &["a"]);
    bench.hold("ReadConfig");
    let (first, second) = (bench.connect(), bench.connect());
    let bytes = bench.request("POST", REFRESH).bytes();
    bench.send(first, &bytes);
    bench.send(second, &bytes);
    bench.reset(first);
    bench.reset(second);
    bench.let_go();
    assert_eq!(keys(&bench), ["a"]);
    bench.post(REFRESH).ok();
    bench.assert_at_rest();
}

#[test]
fn dev_keeps_its_root() {
    let mut bench = Bench::with(Limits::default(), |settings| {
        settings.install_id = None;
        settings.rpc_info_path = None;
    });
    assert_eq!(bench.post(REFRESH).ok().text(), "{}");
    assert_eq!(keys(&bench), ["main"]);
}

#[test]
fn files_of_a_root_that_has_gone_are_refused_and_may_be_closed() {
    let mut bench = Bench::new();
    bench.write("f", "x");
    let id = bench.open("f", false);
    bench.set_roots(&["other"]);
    let of_session =
        |bench: &Bench, method: &str, target: String| bench.request(method, &target).session("s");
    let request = of_session(&bench, "GET", format!("/files/{id}/read"));
    bench.call(request).refused(403, "root_unknown");
    bench.set_roots(&["other", "main"]);
    let request = of_session(&bench, "GET", format!("/files/{id}/read"));
    assert_eq!(bench.call(request).ok().text(), "x", "it is there again, with the same path");
    bench.set_roots(&["other"]);
    let request = of_session(&bench, "POST", format!("/files/{id}/close"));
    bench.call(request).ok();
    let request = bench.request("GET", "/read/main").path("f");
    bench.call(request).refused(403, "root_unknown");
}

#[test]
fn an_operation_in_flight_ends_as_it_would_have() {
    let mut bench = Bench::new();
    bench.write("f", "content");
    let file = bench.open("f", false);
    bench.hold("Read");
    let id = bench.connect();
    let request = bench.request("GET", &format!("/files/{file}/read")).session("s");
    bench.send(id, &request.bytes());
    bench.set_roots(&[]);
    bench.let_go();
    assert_eq!(bench.response(id, false).unwrap().ok().text(), "content");
}
