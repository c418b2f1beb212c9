//! Who may call (PROTOCOL §2): Host, Origin, token and session in this order, and CORS.

use std::net::{Ipv4Addr, TcpStream};

use crate::support::daemon::{Daemon, EXTENSION_ID};
use crate::support::http::{Http, Request, Response};
use crate::support::ws::Ws;

const MAY_NOT_KNOW: [&str; 6] =
    ["/roots", "/no/such/endpoint", "/files/1", "/control/shutdown", "/stream/1", "/read/main?x=%zz"];

/// One request with its own connection, to either port.
fn call(port: u16, request: Request) -> Response {
    Http::connect(port).call(request)
}

/// A request that anyone with the token may make.
fn ping() -> Request {
    Request::post("/control/ping")
}

fn origin(daemon: &Daemon, origin: &str) -> Response {
    call(daemon.port, ping().token(&daemon.token).field("Origin", origin))
}

#[test]
fn hosts_that_are_ours_are_served_on_both_ports() {
    let daemon = Daemon::start(&[]);
    for port in [daemon.port, daemon.stream_port] {
        for host in ["127.0.0.1", "localhost", "LocalHost"] {
            let response = call(port, Request::get("/health").field("Host", &format!("{host}:{port}")));
            assert_ne!(response.status, 421, "{host}:{port}");
        }
    }
}

#[test]
fn other_hosts_are_refused_before_anything_else() {
    let daemon = Daemon::start(&[]);
    let port = daemon.port;
    for host in [
        "127.0.0.1".to_owned(),
        "localhost".to_owned(),
        format!("127.0.0.1:{}", daemon.stream_port),
        format!("127.0.0.1:0{port}"),
        format!("127.0.0.2:{port}"),
        format!("127.1:{port}"),
        format!("[::1]:{port}"),
        format!("rebound.example.com:{port}"),
        format!("localhost.:{port}"),
        format!("0.0.0.0:{port}"),
    ] {
        for target in MAY_NOT_KNOW {
            let request =
                Request::get(target).token(&daemon.token).field("Origin", "null").field("Host", &host);
            call(port, request).refused(421, "host_forbidden");
        }
    }
}

#[test]
fn a_host_that_is_missing_repeated_or_malformed_is_a_bad_request() {
    let daemon = Daemon::start(&[]);
    let port = daemon.port;
    for hosts in [
        String::new(),
        format!("Host: 127.0.0.1:{port}\r\nHost: 127.0.0.1:{port}\r\n"),
        "Host: \r\n".to_owned(),
        format!("Host: 127.0.0.1:{port}, localhost:{port}\r\n"),
        format!("Host: user@127.0.0.1:{port}\r\n"),
        format!("Host: 127.0.0.1:{port}/\r\n"),
        "Host: 127.0.0.1:x\r\n".to_owned(),
        format!("Host: 127.0.0.1 :{port}\r\n"),
    ] {
        let mut http = Http::connect(port);
        http.send_bytes(format!("GET /health HTTP/1.1\r\n{hosts}\r\n").as_bytes());
        let response = http.response();
        // An empty value is a host's right form (RFC 9110 §7.2) that is not ours.
        let status = if hosts == "Host: \r\n" { [400, 421] } else { [400, 400] };
        assert!(status.contains(&response.status), "{hosts:?}: {response:?}");
        if response.status == 400 {
            assert_eq!(response.code(), "bad_request");
            assert!(http.is_closed(), "{hosts:?}");
        }
    }
}

#[test]
fn origins_that_may_call() {
    let daemon = Daemon::start(&["--allow-origin", "https://Extra.example:8443"]);
    for allowed in [
        format!("chrome-extension://{EXTENSION_ID}"),
        format!("http://127.0.0.1:{}", daemon.port),
        format!("http://localhost:{}", daemon.port),
        "https://jstorrent.com".to_owned(),
        "https://new.jstorrent.com".to_owned(),
        "https://extra.example:8443".to_owned(),
    ] {
        let response = origin(&daemon, &allowed).expect(200);
        assert_eq!(response.field("Access-Control-Allow-Origin"), Some(allowed.as_str()));
        assert!(response.field("Vary").is_some_and(|vary| vary.contains("Origin")), "{response:?}");
        let exposed = response.field("Access-Control-Expose-Headers").unwrap().to_ascii_lowercase();
        for name in ["content-range", "accept-ranges", "etag", "content-length"] {
            assert!(exposed.contains(name), "{exposed}");
        }
    }
}

#[test]
fn origins_that_may_not_call() {
    let daemon = Daemon::start(&[]);
    for forbidden in [
        "null",
        "",
        "https://evil.example",
        "http://jstorrent.com",
        "https://jstorrent.com.evil.example",
        "https://jstorrent.com:444",
        "https://eviljstorrent.com",
        "https://a.jstorrent.com",
        "chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "https://jstorrent.com/",
        "https://jstorrent.com https://evil.example",
        "https://JSTORRENT.com",
    ] {
        let response = origin(&daemon, forbidden).refused(403, "origin_forbidden");
        assert_eq!(response.field("Access-Control-Allow-Origin"), None, "{forbidden}");
    }
    let own_over_tls = format!("https://127.0.0.1:{}", daemon.port);
    origin(&daemon, &own_over_tls).refused(403, "origin_forbidden");
    let twice = Request::get("/health").field("Origin", "https://jstorrent.com").field("Origin", "null");
    call(daemon.port, twice).refused(403, "origin_forbidden");
}

#[test]
fn origins_of_the_environment_may_call() {
    let home = crate::support::daemon::Home::new();
    let mut command = home.command();
    command.args(["--install-id", crate::support::daemon::INSTALL_ID]);
    command.env("JSTORRENT_DEV_ORIGINS", "http://localhost:5173, https://dev.example");
    let daemon = Daemon::spawn(home, command);
    origin(&daemon, "http://localhost:5173").expect(200);
    origin(&daemon, "https://dev.example").expect(200);
    origin(&daemon, "http://localhost:5174").refused(403, "origin_forbidden");
}

#[test]
fn the_origin_is_checked_before_the_token_and_the_target() {
    let daemon = Daemon::start(&[]);
    for target in MAY_NOT_KNOW {
        let request = Request::get(target).field("Origin", "https://evil.example");
        call(daemon.port, request).refused(403, "origin_forbidden");
    }
    let health = Request::get("/health").field("Origin", "https://evil.example");
    call(daemon.port, health).refused(403, "origin_forbidden");
}

#[test]
fn without_the_token_nothing_tells_one_target_from_another() {
    let daemon = Daemon::start(&[]);
    let tokens: [&[(&str, &str)]; 7] = [
        &[],
        &[("X-JST-Auth", "wrong")],
        &[("X-JST-Auth", "")],
        &[("Authorization", "Bearer wrong")],
        &[("Authorization", "Basic d3Jvbmc=")],
        &[("Authorization", "Bearer")],
        &[("X-JST-Session", "bad session with blanks")],
    ];
    for fields in tokens {
        let mut first: Option<Response> = None;
        for (target, method) in
            MAY_NOT_KNOW.iter().flat_map(|t| ["GET", "POST", "PATCH", "DELETE"].map(|m| (t, m)))
        {
            let request =
                fields.iter().fold(Request::new(method, target), |r, (name, value)| r.field(name, value));
            let mut response = call(daemon.port, request).refused(401, "token_invalid");
            assert_eq!(response.field("WWW-Authenticate"), Some("Bearer"));
            response.fields.retain(|(name, _)| name != "Date");
            assert_eq!(
                first.get_or_insert_with(|| response.clone()),
                &response,
                "{fields:?} {method} {target}"
            );
        }
    }
}

#[test]
fn a_body_is_not_read_before_the_token_is_known() {
    let daemon = Daemon::start(&[]);
    let mut http = daemon.http();
    let head = format!(
        "POST /hash/sha1 HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: 1000000\r\n\r\n",
        daemon.port
    );
    http.send_bytes(head.as_bytes());
    http.response().refused(401, "token_invalid");
}

#[test]
fn a_refused_client_that_waits_for_100_gets_none() {
    let daemon = Daemon::start(&[]);
    let request =
        Request::post("/hash/sha1").field("Expect", "100-continue").field("Content-Length", "1000000");
    call(daemon.port, request).refused(401, "token_invalid");
}

#[test]
fn the_token_comes_in_either_field_and_its_own_field_wins() {
    let daemon = Daemon::start(&[]);
    let bearer = format!("Bearer {}", daemon.token);
    let get = ping;
    call(daemon.port, get().token(&daemon.token)).expect(200);
    call(daemon.port, get().field("Authorization", &bearer)).expect(200);
    call(daemon.port, get().field("authorization", &bearer.replace("Bearer", "bearer"))).expect(200);
    call(daemon.port, get().token(&daemon.token).field("Authorization", "Bearer wrong")).expect(200);
    call(daemon.port, get().token("wrong").field("Authorization", &bearer)).refused(401, "token_invalid");
    call(daemon.port, Request::post(&format!("/control/ping?token={}", daemon.token)))
        .refused(401, "token_invalid");
}

#[test]
fn with_the_token_the_target_is_told_apart() {
    let daemon = Daemon::start(&[]);
    call(daemon.port, Request::get("/no/such").token(&daemon.token)).refused(404, "no_such_endpoint");
    let response =
        call(daemon.port, Request::post("/roots").token(&daemon.token)).refused(405, "method_not_allowed");
    assert_eq!(response.field("Allow"), Some("GET, HEAD"));
}

#[test]
fn health_asks_for_no_token_but_for_host_and_origin() {
    let daemon = Daemon::start(&[]);
    assert_eq!(call(daemon.port, Request::get("/health")).expect(200).text(), "ok");
    let head = call(daemon.port, Request::new("HEAD", "/health")).expect(200);
    assert_eq!(head.field("Content-Length"), Some("2"));
    call(daemon.port, Request::post("/health")).refused(401, "token_invalid");
}

#[test]
fn a_session_is_named_where_it_owns_something() {
    let daemon = Daemon::start(&[]);
    let post = |target| Request::post(target).token(&daemon.token);
    for request in [
        post("/files/open").json(&serde_json::json!({"root": "main", "path": "a"})),
        Request::get("/files/7").token(&daemon.token),
        post("/files/7/close"),
        post("/control/open_socket")
            .json(&serde_json::json!({"host": "127.0.0.1", "port": 1, "protocol": "tcp"})),
        post("/control/close_socket").json(&serde_json::json!({"socketId": 1})),
        post("/control/stream_ticket").json(&serde_json::json!({"fileId": 7})),
        Request::get("/stream/7").token(&daemon.token),
    ] {
        call(daemon.port, request).refused(400, "session_required");
    }
}

#[test]
fn a_malformed_session_is_refused_anywhere() {
    let daemon = Daemon::start(&[]);
    let long = "s".repeat(129);
    for session in ["", "a b", "é", long.as_str()] {
        let request = ping().token(&daemon.token).session(session);
        call(daemon.port, request).refused(400, "session_invalid");
    }
    let longest = "s".repeat(128);
    call(daemon.port, ping().token(&daemon.token).session(&longest)).expect(200);
}

#[test]
fn pages_that_may_call_can_read_whatever_they_are_answered() {
    let daemon = Daemon::start(&[]);
    let from_page = |request: Request| request.field("Origin", "https://jstorrent.com");
    let long = format!("/health?{}", "x".repeat(8192));
    let wide = "x".repeat(40_000);
    for (request, status) in [
        (Request::get("/health").field("Expect", "wonders"), 417),
        (Request::post("/control/ping").field("Transfer-Encoding", "gzip"), 501),
        (Request::post("/control/ping").field("Content-Length", "x"), 400),
        (Request::get(&long), 414),
        (Request::get("/stats"), 401),
    ] {
        let answer = call(daemon.port, from_page(request)).expect(status);
        assert_eq!(answer.field("Access-Control-Allow-Origin"), Some("https://jstorrent.com"), "{status}");
        assert_eq!(answer.field("Vary"), Some("Origin"));
    }
    let answer = call(daemon.port, from_page(Request::get("/health")).field("X-Wide", &wide)).expect(431);
    assert_eq!(answer.field("Access-Control-Allow-Origin"), Some("https://jstorrent.com"));
    let answer = call(daemon.port, Request::get(&long).field("Origin", "https://evil.example")).expect(414);
    assert_eq!(answer.field("Access-Control-Allow-Origin"), None);
}

#[test]
fn preflights_from_allowed_origins() {
    let daemon = Daemon::start(&[]);
    let origin = format!("chrome-extension://{EXTENSION_ID}");
    // Any target, so that nothing is learnt from it either.
    for target in ["/files/1/write", "/no/such"] {
        let preflight = Request::new("OPTIONS", target)
            .field("Origin", &origin)
            .field("Access-Control-Request-Method", "PATCH")
            .field("Access-Control-Request-Headers", "x-jst-auth,range");
        let response = call(daemon.port, preflight).expect(204);
        assert_eq!(response.field("Access-Control-Allow-Origin"), Some(origin.as_str()));
        assert!(response.field("Vary").is_some_and(|vary| vary.contains("Origin")));
        assert_eq!(response.field("Access-Control-Max-Age"), Some("7200"));
        assert_eq!(response.field("Access-Control-Allow-Private-Network"), None);
        let methods = response.field("Access-Control-Allow-Methods").unwrap();
        for method in ["GET", "HEAD", "POST", "PATCH"] {
            assert!(methods.contains(method), "{methods}");
        }
        let fields = response.field("Access-Control-Allow-Headers").unwrap().to_ascii_lowercase();
        let fields: Vec<_> = fields.split(',').map(str::trim).collect();
        for name in [
            "x-jst-auth",
            "authorization",
            "x-jst-session",
            "x-jst-extensionid",
            "x-jst-installid",
            "content-type",
            "range",
            "x-path-base64",
            "x-offset",
            "x-length",
            "x-expected-sha1",
            "x-expected-sha256",
        ] {
            assert!(fields.contains(&name), "{name} in {fields:?}");
        }
    }
}

#[test]
fn a_preflight_for_private_networks_is_granted_where_asked_for() {
    let daemon = Daemon::start(&[]);
    let preflight = Request::new("OPTIONS", "/roots")
        .field("Origin", "https://jstorrent.com")
        .field("Access-Control-Request-Method", "GET")
        .field("Access-Control-Request-Private-Network", "true");
    let response = call(daemon.port, preflight).expect(204);
    assert_eq!(response.field("Access-Control-Allow-Private-Network"), Some("true"));
}

#[test]
fn preflights_from_other_origins_get_no_cors_field() {
    let daemon = Daemon::start(&[]);
    for origin in ["https://evil.example", "null"] {
        let preflight = Request::new("OPTIONS", "/roots")
            .field("Origin", origin)
            .field("Access-Control-Request-Method", "GET")
            .field("Access-Control-Request-Private-Network", "true");
        let response = call(daemon.port, preflight).refused(403, "origin_forbidden");
        let is_cors = |name: &str| name.to_ascii_lowercase().starts_with("access-control-");
        assert!(!response.fields.iter().any(|(name, _)| is_cors(name)), "{response:?}");
    }
}

#[test]
fn the_stream_port_serves_streams_only() {
    let daemon = Daemon::start(&[]);
    for target in ["/health", "/roots", "/files/1", "/io"] {
        let request = Request::get(target).token(&daemon.token);
        call(daemon.stream_port, request).refused(404, "no_such_endpoint");
    }
    call(daemon.stream_port, Request::get("/stream/7").token(&daemon.token)).refused(400, "session_required");
}

#[test]
fn nobody_outside_loopback_gets_a_connection() {
    let daemon = Daemon::start(&[]);
    // Every other loopback address is an address that the daemon did not bind.
    assert!(TcpStream::connect((Ipv4Addr::new(127, 0, 0, 2), daemon.port)).is_err());
}

#[test]
fn an_upgrade_needs_host_and_origin_and_a_token_only_where_one_is_there() {
    let daemon = Daemon::start(&[]);
    let open = |request| Ws::open(daemon.http(), request).map(|_| ()).map_err(|response| response.status);
    assert_eq!(open(Ws::upgrade()), Ok(()));
    assert_eq!(open(Ws::upgrade().field("Origin", &format!("chrome-extension://{EXTENSION_ID}"))), Ok(()));
    assert_eq!(open(Ws::upgrade().token(&daemon.token)), Ok(()));
    assert_eq!(open(Ws::upgrade().field("Authorization", &format!("Bearer {}", daemon.token))), Ok(()));
    assert_eq!(open(Ws::upgrade().token("wrong")), Err(401));
    assert_eq!(open(Ws::upgrade().field("Origin", "https://evil.example")), Err(403));
    assert_eq!(open(Ws::upgrade().field("Host", "rebound.example")), Err(421));
}
