//! rpc-info.json at start and on refresh (PROTOCOL §3), and what is told of the machine and the daemon (§4).

use std::fs;

use serde_json::{Value, json};

use crate::support::daemon::{Daemon, EXTENSION_ID};
use crate::support::http::{Http, Request, Response};

const REFRESH: &str = "/api/read-rpc-info-from-disk";

fn refresh(daemon: &Daemon) -> Response {
    daemon.http().call(Request::post(REFRESH).field("Authorization", &format!("Bearer {}", daemon.token)))
}

fn get(daemon: &Daemon, target: &str) -> Response {
    daemon.http().call(Request::get(target).token(&daemon.token))
}

fn keys(daemon: &Daemon) -> Vec<String> {
    let roots = get(daemon, "/roots").expect(200).json();
    let key = |root: &Value| root["key"].as_str().unwrap().to_owned();
    roots.as_array().unwrap().iter().map(key).collect()
}

#[test]
fn a_refresh_replaces_the_roots() {
    let daemon = Daemon::start(&[]);
    let more = daemon.home.path("more");
    fs::create_dir(&more).unwrap();
    assert_eq!(keys(&daemon), ["main"]);
    daemon.home.write_roots(&[("main", &daemon.home.root()), ("more", &more)]);
    assert_eq!(keys(&daemon), ["main"], "only on request");
    assert_eq!(refresh(&daemon).expect(200).text(), "{}");
    assert_eq!(keys(&daemon), ["main", "more"]);
    let origin = format!("chrome-extension://{EXTENSION_ID}");
    let answer = daemon.http().call(Request::get("/health").field("Origin", &origin)).expect(200);
    assert_eq!(answer.field("Access-Control-Allow-Origin"), Some(&*origin));
}

#[test]
fn what_is_no_good_keeps_the_old_state() {
    let daemon = Daemon::start(&[]);
    for content in ["", "{", "[]", r#"{"profiles":{}}"#] {
        fs::write(daemon.home.rpc_info(), content).unwrap();
        refresh(&daemon).refused(500, "rpc_info_unreadable");
    }
    let other = json!({"version": 1, "profiles": [{"install_id": "other", "download_roots": []}]});
    fs::write(daemon.home.rpc_info(), other.to_string()).unwrap();
    refresh(&daemon).refused(404, "install_id_unknown");
    fs::remove_file(daemon.home.rpc_info()).unwrap();
    refresh(&daemon).refused(500, "rpc_info_unreadable");
    assert_eq!(keys(&daemon), ["main"]);
    daemon.http().call(Request::post(REFRESH)).refused(401, "token_invalid");
}

#[test]
fn each_of_many_refreshes_at_once_sees_what_was_there_before_it() {
    let daemon = Daemon::start(&[]);
    let root = daemon.home.root();
    let mut clients: Vec<Http> = (0..8).map(|_| daemon.http()).collect();
    for round in 0..50 {
        let key = format!("round-{round}");
        // What was asked before the change may see either; what is asked after it must see the change.
        for client in &mut clients[..7] {
            client.send(&Request::post(REFRESH).token(&daemon.token));
        }
        // As the native host does: never half a file.
        let aside = daemon.home.path("aside.json");
        daemon.home.write_roots(&[]);
        let template = fs::read_to_string(daemon.home.rpc_info()).unwrap();
        let mut config: Value = serde_json::from_str(&template).unwrap();
        config["profiles"][0]["download_roots"] = json!([{"key": key, "path": root}]);
        fs::write(&aside, config.to_string()).unwrap();
        fs::rename(&aside, daemon.home.rpc_info()).unwrap();
        clients[7].call(Request::post(REFRESH).token(&daemon.token)).expect(200);
        assert_eq!(keys(&daemon), [key]);
        for client in &mut clients[..7] {
            client.response();
        }
    }
}

#[test]
fn a_root_that_goes_takes_its_files_along() {
    let daemon = Daemon::start(&[]);
    fs::write(daemon.home.root().join("f"), "x").unwrap();
    let session = |request: Request| request.token(&daemon.token).session("s");
    let body = json!({"root": "main", "path": "f"});
    let opened = daemon.http().call(session(Request::post("/files/open").json(&body))).expect(200);
    let id = opened.json()["fileId"].clone();
    let moved = daemon.home.path("moved");
    fs::create_dir(&moved).unwrap();
    daemon.home.write_roots(&[("main", &moved)]);
    refresh(&daemon).expect(200);
    let target = format!("/files/{id}/read");
    daemon.http().call(session(Request::get(&target))).refused(403, "root_unknown");
    let close = session(Request::post(&format!("/files/{id}/close")));
    daemon.http().call(close).expect(200);
}

#[test]
fn dev_has_nothing_to_refresh() {
    let daemon = Daemon::start_dev(&[]);
    assert_eq!(refresh(&daemon).expect(200).text(), "{}");
    assert_eq!(keys(&daemon), ["dev"]);
}

#[test]
fn roots_interfaces_and_counters() {
    let daemon = Daemon::start(&[]);
    daemon.home.write_roots(&[("main", &daemon.home.root()), ("gone", &daemon.home.path("gone"))]);
    refresh(&daemon).expect(200);
    let roots = get(&daemon, "/roots").expect(200).json();
    assert_eq!((&roots[0]["displayName"], &roots[0]["writable"]), (&json!("main"), &json!(true)));
    assert!(roots[0]["freeBytes"].as_u64().unwrap() <= roots[0]["totalBytes"].as_u64().unwrap());
    assert_eq!((&roots[1]["writable"], &roots[1]["freeBytes"]), (&json!(false), &Value::Null));
    let interfaces = get(&daemon, "/network/interfaces").expect(200).json();
    let loopback = json!({"name": "lo", "address": "127.0.0.1", "prefixLength": 8});
    assert!(interfaces.as_array().unwrap().contains(&loopback), "{interfaces}");
    let stats = get(&daemon, "/stats").expect(200).json();
    for name in
        ["tcp_sockets", "pending_connects", "udp_sockets", "ws_connections", "uptime_secs", "udp_dropped"]
    {
        assert!(stats[name].is_u64(), "{name}: {stats}");
    }
    assert!(stats["http"]["requests"].as_u64().unwrap() >= 3);
    assert_eq!(
        daemon.http().call(Request::post("/control/ping").token(&daemon.token)).expect(200).text(),
        "pong"
    );
}
