//! `imagioo cancel`.

use imagioo_proto::generation::v1::CancelGenerationRequest;

use crate::client;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::has_ended;
use crate::json::GenerationAnswer;
use crate::json::generation::state;
use crate::names;
use crate::output::credits;

/// Options of `cancel`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The generation, such as gen_…
    name: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let message = CancelGenerationRequest { name: names::generation(&args.name)?.name() };
    let answer = context
        .client()?
        .call(message, async |channel, request| client::generations(channel).cancel_generation(request).await)
        .await?;
    let generation = answer.generation.ok_or(Failure::Incomplete("the generation"))?;
    context.output.answer(&GenerationAnswer::from(&generation), || {
        let (name, state) = (&generation.name, state(&generation));
        if has_ended(&generation) {
            vec![format!("{name} is {state}; charged {}", credits(generation.charge))]
        } else {
            vec![format!("{name} is being stopped; what was delivered is kept and charged")]
        }
    })?;
    Ok(Exit::Done)
}
