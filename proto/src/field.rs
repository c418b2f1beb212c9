//! The names of the fields of `/io` messages. Owns the names only; which op has which is in [`crate::op`], how wide
//! they are is in the messages' codec.

macro_rules! fields {
    ($($variant:ident $name:literal)*) => {
        /// A field of an `/io` message, or of the JSON around it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Field {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Field {
            /// Every field.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name in JSON and in the protocol document.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The field of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

fields! {
    Op "op"
    RequestId "requestId"
    Addr "addr"
    Authenticated "authenticated"
    BindAddr "bindAddr"
    BoundPort "boundPort"
    Bytes "bytes"
    Check "check"
    Client "client"
    Count "count"
    Data "data"
    Digest "digest"
    Errno "errno"
    ExtensionId "extensionId"
    Features "features"
    FileId "fileId"
    Flags "flags"
    Group "group"
    HadError "hadError"
    Host "host"
    Hostname "hostname"
    InstallId "installId"
    Length "length"
    Limits "limits"
    LocalAddress "localAddress"
    Message "message"
    Messages "messages"
    NoDelay "noDelay"
    Offset "offset"
    Port "port"
    Protocol "protocol"
    RangeId "rangeId"
    Reason "reason"
    RecvWindow "recvWindow"
    RemoteAddr "remoteAddr"
    RemotePort "remotePort"
    Roots "roots"
    Server "server"
    ServerId "serverId"
    SessionId "sessionId"
    SocketId "socketId"
    Status "status"
    StreamId "streamId"
    TimeoutMs "timeoutMs"
    Token "token"
    Type "type"
    Written "written"
}

#[cfg(test)]
mod tests {
    use super::Field;

    #[test]
    fn names_lead_back() {
        for (index, field) in Field::ALL.iter().enumerate() {
            assert_eq!(*field as usize, index);
            assert_eq!(Field::from_name(field.name()), Some(*field));
        }
        assert_eq!(Field::from_name("socketid"), None);
    }
}
