//! Who asks for images: funded users, in closed loops, in an open one, or so many and no more.

pub(crate) mod arrivals;
pub(crate) mod crowd;
pub(crate) mod driver;
pub(crate) mod fill;
pub(crate) mod submitter;
