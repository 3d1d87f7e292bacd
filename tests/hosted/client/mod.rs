//! The client against a service that keeps to a script. In every test the service counts how often a
//! job was sent.

mod fake;
mod interrupt;
mod journal;
mod many;
mod ndif;
mod result;
mod submit;
mod support;
mod torch;
mod wait;
