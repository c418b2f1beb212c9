//! What each fuzz target does with its bytes, as plain functions: the targets call them, and so does the test that
//! runs the seeds without a fuzzer. Each one states what must hold, beyond "it does not panic".

mod chunked;
mod config;
mod cuts;
mod engine;
mod http;
mod ops;
mod oracle;
mod paths;
mod text;
mod ws;

pub use chunked::chunked_body;
pub use config::rpc_info;
pub use engine::{engine_events, engine_http, engine_io, json_bodies};
pub use http::request_stream;
pub use ops::{batch, ops_binary, ops_json};
pub use paths::path;
pub use text::{conditions, fields, query, range};
pub use ws::ws_frames;

/// A target: its name and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("request_stream", request_stream),
    ("chunked_body", chunked_body),
    ("range", range),
    ("conditions", conditions),
    ("path", path),
    ("query", query),
    ("fields", fields),
    ("rpc_info", rpc_info),
    ("ws_frames", ws_frames),
    ("ops_binary", ops_binary),
    ("ops_json", ops_json),
    ("batch", batch),
    ("engine_events", engine_events),
    ("engine_http", engine_http),
    ("engine_io", engine_io),
    ("json_bodies", json_bodies),
];
