//! `imagioo remove-background`.

use imagioo_proto::generation::v1::Operation;

use super::making::request::Draft;
use super::making::{self, Making};
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::failure::Failure;

/// Options of `remove-background`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::TABLE)]
pub(crate) struct Args {
    /// The picture: a file (PNG, JPEG, WebP), an image (`img_…`) or a generation of yours (`gen_…`)
    #[arg(value_name = "FILE|NAME")]
    image: String,
    #[command(flatten)]
    making: Making,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let draft =
        Draft { operation: Operation::RemoveBackground, pictures: vec![args.image], ..Draft::default() };
    making::run(context, draft, args.making).await
}
