//! The same graphs on the engine, on our server, on a service around the real nnsight package, and on
//! the released NDIF service with its sandbox; both services under every fault of their lists; and what
//! our client moves beside nnsight's own.
//! `.ci/conformance` prepares what they need and runs them.

mod attention;
mod chat;
mod compare;
mod cost;
mod doctor;
mod faults;
mod further;
mod generating;
mod graphs;
mod measure;
mod parts;
mod random;
mod refusals;
mod runners;
mod same;
mod seconds;
mod service;
mod table;
mod verbs;
mod wire;
