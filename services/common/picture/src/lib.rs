//! Pictures: what may be asked for (operations, settings, sizes, formats), and what a picture file from outside really
//! is. What a name, a header or a sender claims is never believed.

mod format;
mod operation;
mod settings;
mod size;
mod verify;

pub use format::Format;
pub use operation::Operation;
pub use settings::{Background, Margins, Settings};
pub use size::{InvalidSize, Size};
pub use verify::{Unusable, Verified, Verifier, decode};
