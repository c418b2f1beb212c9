//! The hellos that open a conversation (PROTOCOL §6.2). Owns their JSON, defaults and checks; decides nothing about
//! what is agreed on.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::admission::parse_session_id;
use crate::codec::Fault;
use crate::feature::{Feature, Features};
use crate::field::Field;
use crate::json::{JsonObject, JsonWriter, NotJson, Scanner, string};
use crate::limits::{FILE_READ_BYTES_MAX, SOCKET_WINDOW_BYTES_DEFAULT, WS_MESSAGE_BYTES_MAX};

/// The protocol's number in SERVER_HELLO.
pub const PROTOCOL: u32 = 1;

/// A client's hello with something in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello<'a> {
    /// What the client calls itself; for the log.
    pub client: Cow<'a, str>,
    /// The features that it has, as far as they are known here.
    pub features: Features,
    /// The session that the connection belongs to: 1 to 128 visible ASCII characters.
    pub session_id: Option<Cow<'a, str>>,
    /// Bytes that the daemon may send on each socket before the first TCP_CREDIT.
    pub recv_window: u32,
}

impl Default for Hello<'_> {
    fn default() -> Self {
        Self {
            client: "".into(),
            features: Features::NONE,
            session_id: None,
            recv_window: SOCKET_WINDOW_BYTES_DEFAULT as u32,
        }
    }
}

/// The daemon's answer to a hello with something in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerHello<'a> {
    /// Name and version of the daemon.
    pub server: Cow<'a, str>,
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// The features agreed on.
    pub features: Features,
    /// The limits that the client should keep.
    pub limits: HelloLimits,
    /// No AUTH is needed any more.
    pub authenticated: bool,
}

/// The `limits` of SERVER_HELLO, all in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HelloLimits {
    /// What the client may send on each socket before the daemon's first TCP_CREDIT.
    pub socket_window: u32,
    /// The largest message.
    pub message_bytes: u32,
    /// The most that one FILE_READ may ask for.
    pub file_read_bytes: u32,
}

impl Default for HelloLimits {
    fn default() -> Self {
        Self {
            socket_window: SOCKET_WINDOW_BYTES_DEFAULT as u32,
            message_bytes: WS_MESSAGE_BYTES_MAX as u32,
            file_read_bytes: FILE_READ_BYTES_MAX,
        }
    }
}

pub(super) fn read<'a>(object: &JsonObject<'a>) -> Result<Hello<'a>, Fault> {
    let default = Hello::default();
    let window = object.optional(Field::RecvWindow, |object, field| object.number(field, u32::MAX.into()))?;
    let session_id = object.optional(Field::SessionId, JsonObject::text)?;
    Ok(Hello {
        client: object.optional(Field::Client, JsonObject::text)?.unwrap_or(default.client),
        features: read_features(object)?,
        session_id: session_id.map(check_session_id).transpose()?,
        recv_window: window.map_or(default.recv_window, |window| window as u32),
    })
}

/// The one rule for session ids, wherever they come from.
pub(super) fn check_session_id(id: Cow<'_, str>) -> Result<Cow<'_, str>, Fault> {
    match parse_session_id(id.as_bytes()) {
        Ok(_) => Ok(id),
        Err(_) => Err(Fault::field(Field::SessionId, "must be 1 to 128 visible ASCII characters")),
    }
}

fn read_features(object: &JsonObject<'_>) -> Result<Features, Fault> {
    let Some(raw) = object.optional_raw(Field::Features) else { return Ok(Features::NONE) };
    parse_features(raw).map_err(|_| Fault::field(Field::Features, "must be an array of strings"))
}

/// Reads an array of names; those that are not known are skipped, so that a later client can name more.
fn parse_features(raw: &str) -> Result<Features, NotJson> {
    let mut scanner = Scanner::new(raw.as_bytes());
    let mut features = Features::NONE;
    if !scanner.eat(b'[') {
        return Err(NotJson);
    }
    while !scanner.eat(b']') {
        let name = scanner.string()?;
        if name.len() <= FEATURE_NAME_BYTES_MAX
            && let Some(feature) = string(&raw.as_bytes()[name]).and_then(|name| Feature::from_name(&name))
        {
            features = features.with(feature);
        }
        // The array was scanned before: what is no comma is its end.
        scanner.eat(b',');
    }
    Ok(features)
}

/// A longer name, escapes included, is no feature's: the longest has 9 characters, and an escape six bytes.
const FEATURE_NAME_BYTES_MAX: usize = 9 * 6;

pub(super) fn write(hello: &Hello<'_>, object: &mut JsonWriter<'_>) {
    object.text(Field::Client, &hello.client);
    write_features(hello.features, object);
    if let Some(session_id) = &hello.session_id {
        object.text(Field::SessionId, session_id);
    }
    object.number(Field::RecvWindow, hello.recv_window.into());
}

fn write_features(features: Features, object: &mut JsonWriter<'_>) {
    let names: Vec<_> = features.iter().map(|feature| format!("\"{}\"", feature.name())).collect();
    object.raw(Field::Features, &format!("[{}]", names.join(",")));
}

/// `None`: the hello says nothing, as the answer to an empty one.
pub(super) fn read_server<'a>(object: &JsonObject<'a>) -> Result<Option<ServerHello<'a>>, Fault> {
    if !object.has(Field::Protocol) {
        return Ok(None);
    }
    let limits = object.optional_raw(Field::Limits).map(serde_json::from_str).transpose();
    Ok(Some(ServerHello {
        server: object.optional(Field::Server, JsonObject::text)?.unwrap_or_default(),
        protocol: object.number(Field::Protocol, u32::MAX.into())? as u32,
        features: read_features(object)?,
        limits: limits
            .map_err(|_| Fault::field(Field::Limits, "must be an object of numbers"))?
            .unwrap_or_default(),
        authenticated: object.boolean(Field::Authenticated)?,
    }))
}

pub(super) fn write_server(hello: &ServerHello<'_>, object: &mut JsonWriter<'_>) {
    let HelloLimits { socket_window, message_bytes, file_read_bytes } = hello.limits;
    object.text(Field::Server, &hello.server);
    object.number(Field::Protocol, hello.protocol.into());
    write_features(hello.features, object);
    object.raw(
        Field::Limits,
        &format!(
            r#"{{"socketWindow":{socket_window},"messageBytes":{message_bytes},"fileReadBytes":{file_read_bytes}}}"#
        ),
    );
    object.boolean(Field::Authenticated, hello.authenticated);
}
