//! Outgoing webhooks: endpoints, what arrives at them, and what happens when nothing does.

mod arriving;
mod endpoints;
mod failing;
mod sharing;
