//! Cancelling: at once before a worker runs, by request while it does.

use imagioo_proto::jobs::v1::CancelUpstream;
use imagioo_rpc::Caller;
use imagioo_types::GenerationId;

use crate::app::App;
use crate::db;
use crate::db::generations::settle::Provided;
use crate::error::Error;
use crate::generations::read::{self, Whole};
use crate::generations::{finish, outcome};

/// Ends the caller's generation early, or asks the worker to. An ended generation is answered unchanged.
pub(crate) async fn cancel(app: &App, caller: &Caller, id: GenerationId) -> Result<Whole, Error> {
    let mut whole = read::get(app, caller, id).await?;
    while !whole.generation.state.is_final() {
        let mut outcome = outcome::cancelled(&whole.generation, app.clock.now());
        outcome.provided = Provided::NotRunning;
        let ended = finish::settle(app, outcome).await?.is_some();
        if ended || request(app, caller, &whole).await? {
            return read::get(app, caller, id).await;
        }
        // Neither waiting nor running: it ended or began another attempt since it was read. Look again.
        whole = read::get(app, caller, id).await?;
    }
    Ok(whole)
}

/// Asks the worker to stop; false when the generation does not run.
async fn request(app: &App, caller: &Caller, whole: &Whole) -> Result<bool, Error> {
    let (id, attempt) = (whole.generation.id, whole.generation.attempt);
    let noted = db::generations::cancel::request(&mut *app.pool.acquire().await?, id).await?;
    let Some(version) = noted else { return Ok(false) };
    app.changed(caller.identity.user, id, version).await;
    app.queue.hint(&CancelUpstream { generation: id.name(), attempt }).await;
    Ok(true)
}
