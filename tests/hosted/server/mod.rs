//! The server as a raw client sees it: HTTP and WebSocket, nothing of the project's own client.

mod binary;
mod client;
mod disk;
mod fair;
mod faults;
mod hostile;
mod jobs;
mod life;
mod load;
mod outage;
mod process;
mod refusals;
mod restart;
mod slow;
mod support;
mod tls;
mod together;
mod unread;
