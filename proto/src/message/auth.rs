//! AUTH: the token shown in a message, for clients that can't set a header. Owns its two forms; checks no token.

use std::borrow::Cow;
use std::fmt;

use super::hello;
use crate::codec::{Fault, Sink, Source};
use crate::field::Field;

/// The payload of AUTH. Its `Debug` form doesn't show the token.
#[derive(Clone, PartialEq, Eq)]
pub struct Auth<'a> {
    /// What the client says the token is.
    pub token: Cow<'a, str>,
    /// Who the client is: type 0 has it, type 1 hasn't.
    pub extension: Option<Extension<'a>>,
}

/// What AUTH of type 0 tells beside the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension<'a> {
    /// The browser extension's id.
    pub extension_id: Cow<'a, str>,
    /// The install id.
    pub install_id: Cow<'a, str>,
    /// The session that the connection belongs to: 1 to 128 visible ASCII characters.
    pub session_id: Option<Cow<'a, str>>,
}

impl fmt::Debug for Auth<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("extension", &self.extension).finish_non_exhaustive()
    }
}

const WITH_EXTENSION: u8 = 0;
const TOKEN_ONLY: u8 = 1;

pub(super) fn read<'a, S: Source<'a>>(source: &mut S) -> Result<Auth<'a>, Fault> {
    let kind = if source.has(Field::Type) {
        source.u8(Field::Type)?
    } else if source.has(Field::ExtensionId) {
        WITH_EXTENSION
    } else {
        TOKEN_ONLY
    };
    match kind {
        WITH_EXTENSION => read_with_extension(source),
        TOKEN_ONLY => Ok(Auth { token: source.text(Field::Token)?, extension: None }),
        _ => Err(Fault::from(
            "type must be 0 (token, extensionId, installId and maybe sessionId) or 1 (token)",
        )),
    }
}

fn read_with_extension<'a, S: Source<'a>>(source: &mut S) -> Result<Auth<'a>, Fault> {
    let mut part = |field| source.text_part(field)?.ok_or_else(|| Fault::field(field, "is missing"));
    let token = part(Field::Token)?;
    let extension_id = part(Field::ExtensionId)?;
    let install_id = part(Field::InstallId)?;
    // A NUL with nothing behind it names no session.
    let session_id = source.text_part(Field::SessionId)?.filter(|id| !id.is_empty());
    let session_id = session_id.map(hello::check_session_id).transpose()?;
    Ok(Auth { token, extension: Some(Extension { extension_id, install_id, session_id }) })
}

pub(super) fn write<S: Sink>(auth: &Auth<'_>, sink: &mut S) {
    sink.u8(Field::Type, if auth.extension.is_some() { WITH_EXTENSION } else { TOKEN_ONLY });
    sink.text(Field::Token, &auth.token);
    let Some(extension) = &auth.extension else { return };
    sink.separator();
    sink.text(Field::ExtensionId, &extension.extension_id);
    sink.separator();
    sink.text(Field::InstallId, &extension.install_id);
    if let Some(session_id) = &extension.session_id {
        sink.separator();
        sink.text(Field::SessionId, session_id);
    }
}
