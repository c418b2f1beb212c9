//! The opening of the conversation (PROTOCOL §6.1): hello and token, in whatever order and encoding, and nothing else
//! before the token.

use super::{Phase, WebSocket};
use crate::service::session;
use crate::state::State;
use jstorrent_io_proto::feature::Features;
use jstorrent_io_proto::frame::close;
use jstorrent_io_proto::message::{
    Auth, ClientMessage, Hello, HelloLimits, PROTOCOL, ServerHello, ServerMessage, Status,
};

impl WebSocket {
    /// What is answered here and not by the services; `Err` gives back what is theirs.
    pub(super) fn open_with<'a>(
        &mut self,
        state: &mut State,
        request_id: u32,
        message: ClientMessage<'a>,
    ) -> Result<(), ClientMessage<'a>> {
        match message {
            ClientMessage::ClientHello(hello) => self.hello(state, request_id, hello.as_ref()),
            ClientMessage::Auth(auth) => self.auth(state, request_id, &auth),
            _ if matches!(self.phase, Phase::Opening { .. }) => {
                self.refuse_stranger(state, request_id);
            }
            ClientMessage::Activity { count } => self.set_activity(state, count),
            other => return Err(other),
        }
        Ok(())
    }

    /// Anything but hello and token before the token was shown.
    pub(super) fn refuse_stranger(&mut self, state: &mut State, request_id: u32) {
        self.error(state, request_id, "the token must be shown first: send AUTH");
        self.close(state, close::POLICY, "no token");
    }

    pub(super) fn error(&mut self, state: &mut State, request_id: u32, text: &str) {
        state.tell(self.id, request_id, &ServerMessage::Error { message: text.into() });
    }

    /// The session that it is to belong to once the token was shown.
    pub fn name_session(&mut self, name: Box<str>) {
        self.named_session = Some(name);
    }

    fn hello(&mut self, state: &mut State, request_id: u32, hello: Option<&Hello<'_>>) {
        let authenticated = self.is_authenticated(state);
        let Some(channel) = state.channels.get_mut(self.id) else { return };
        let Some(hello) = hello else {
            return state.tell(self.id, request_id, &ServerMessage::ServerHello(None));
        };
        channel.told_of_roots = true;
        channel.recv_window = hello.recv_window;
        channel.features = Features::ALL.iter().filter(|feature| hello.features.has(*feature)).collect();
        let features = channel.features;
        log::info!("/io: hello from {:?}", hello.client.chars().take(64).collect::<String>());
        if let Some(name) = hello.session_id.as_deref() {
            self.name_session(name.into());
        }
        if authenticated {
            self.join_named(state);
            self.offers_ranges(state);
            self.starts_keepalive(state);
        }
        let said = ServerHello {
            server: concat!("jstorrent-io-daemon/", env!("CARGO_PKG_VERSION")).into(),
            protocol: PROTOCOL,
            features,
            limits: HelloLimits::default(),
            authenticated,
        };
        state.tell(self.id, request_id, &ServerMessage::ServerHello(Some(said)));
    }

    fn auth(&mut self, state: &mut State, request_id: u32, auth: &Auth<'_>) {
        if !state.settings.token.matches(auth.token.as_bytes()) {
            let message = "the token is not this daemon's".into();
            state.tell(self.id, request_id, &ServerMessage::AuthResult { status: Status::Failed, message });
            return self.close(state, close::POLICY, "bad token");
        }
        if !self.is_authenticated(state) {
            self.authenticated(state);
        }
        let named = auth.extension.as_ref().and_then(|extension| extension.session_id.as_deref());
        if let Some(name) = named {
            self.name_session(name.into());
        }
        self.join_named(state);
        self.starts_keepalive(state);
        let message = ServerMessage::AuthResult { status: Status::Good, message: "".into() };
        state.tell(self.id, request_id, &message);
    }

    /// Joins the session that a hello or AUTH named. Where there are too many sessions it stays without one: sockets
    /// need none.
    fn join_named(&mut self, state: &mut State) {
        let Some(name) = self.named_session.take() else { return };
        match session::used(state, &name) {
            Ok(id) => self.join(state, id),
            Err(refusal) => log::warn!("/io: no session: {}", refusal.detail),
        }
    }
}
