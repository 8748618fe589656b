//! Keys that users bring along: kept sealed, used for their owner alone, charged for the service alone.

mod keeping;
mod pricing;
mod rejection;
mod running;
