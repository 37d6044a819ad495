//! The attributes that a pair's span has of its own: a scenario's may not take their places, since metrics are made of them.

const OWN: [&str; 23] = [
    "error.type",
    "messaging.destination.name",
    "messaging.message.body.size",
    "messaging.message.id",
    "messaging.operation.name",
    "messaging.operation.type",
    "messaging.socket.io.event_name",
    "messaging.system",
    "network.protocol.name",
    "network.transport",
    "session.id",
    "tapedeck.attempt",
    "tapedeck.connection",
    "tapedeck.direction",
    "tapedeck.events_left_out",
    "tapedeck.pair",
    "tapedeck.recorded_as",
    "tapedeck.reply.connection",
    "tapedeck.reply.event",
    "tapedeck.reply.size",
    "tapedeck.reply.status",
    "tapedeck.retransmission",
    "tapedeck.superseded",
];

/// Whether a pair's span has an attribute of this name anyway.
pub fn is_own(name: &str) -> bool {
    OWN.contains(&name)
}
