//! `imagioo admin dead-letters`.

use imagioo_proto::queue::v1 as wire;
use imagioo_proto::queue::v1::dead_letter_admin_service_client::DeadLetterAdminServiceClient;
use imagioo_proto::queue::v1::dead_letter_selection::Selection;
use imagioo_rpc::Channel;
use imagioo_types::ServiceName;
use serde::Serialize;

use super::operator::{Operator, Place};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::tame;
use crate::table::Table;
use crate::when;

/// Options of `admin dead-letters`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List them, oldest first
    List {
        /// Only those of this queue, such as billing.generation-settled
        #[arg(long)]
        queue: Option<String>,
        /// Show at most this many
        #[arg(long, short = 'l', value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i32).range(1..=1_000))]
        limit: i32,
    },
    /// Show one
    Show {
        /// The message, such as deadLetters/…
        name: String,
    },
    /// Put them back into the queue they came from, once what was wrong is mended; doing it twice does no harm
    Replay(Which),
    /// Forget them for good
    Drop(Which),
}

/// Which ones.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The message, such as deadLetters/…
    name: Option<String>,
    /// All of this queue
    #[arg(long)]
    queue: Option<String>,
    /// All there are
    #[arg(long)]
    all: bool,
}

#[derive(Serialize)]
struct Listed {
    dead_letters: Vec<Letter>,
    total_size: i32,
}

#[derive(Serialize)]
struct Letters {
    dead_letters: Vec<Letter>,
}

#[derive(Serialize)]
struct Letter {
    name: String,
    queue: String,
    message_type: String,
    subject: String,
    attempts: i32,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    give_up_time: Option<String>,
    size_bytes: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    trace_parent: String,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let operator = Operator::new(context, args.place)?;
    let client = DeadLetterAdminServiceClient::new(operator.channel(ServiceName::Gateway)?);
    match args.command {
        Command::List { queue, limit } => list(context, &operator, client, (queue, limit)).await?,
        Command::Show { name } => show(context, &operator, client, name).await?,
        Command::Replay(which) => replay(context, &operator, client, which).await?,
        Command::Drop(which) => forget(context, &operator, client, which).await?,
    }
    Ok(Exit::Done)
}

type Client = DeadLetterAdminServiceClient<Channel>;

async fn list(
    context: &Context,
    operator: &Operator,
    mut client: Client,
    (queue, limit): (Option<String>, i32),
) -> Result<(), Failure> {
    let message = wire::ListDeadLettersRequest {
        queue: queue.unwrap_or_default(),
        page_size: limit,
        ..Default::default()
    };
    let answer =
        client.list_dead_letters(message).await.map_err(|status| operator.failure(status))?.into_inner();
    let (shown, total) = (answer.dead_letters.len(), answer.total_size);
    let lines = table(context, &answer.dead_letters);
    let listed = Listed { dead_letters: letters(answer.dead_letters), total_size: total };
    context.output.answer(&listed, || lines.lines(context.output.width()))?;
    if total == 0 {
        context.output.remark("none: every message was handled");
    } else if usize::try_from(total).is_ok_and(|total| total > shown) {
        context.output.remark(&format!("{total} in all: `--limit` shows more"));
    }
    Ok(())
}

async fn show(
    context: &Context,
    operator: &Operator,
    mut client: Client,
    name: String,
) -> Result<(), Failure> {
    let message = wire::GetDeadLetterRequest { name: full(name) };
    let answer =
        client.get_dead_letter(message).await.map_err(|status| operator.failure(status))?.into_inner();
    let letter = Letter::from(answer.dead_letter.ok_or(Failure::Incomplete("the dead letter"))?);
    context.output.answer(&letter, || {
        let facts = [
            ("name", &letter.name),
            ("queue", &letter.queue),
            ("type", &letter.message_type),
            ("about", &letter.subject),
            ("reason", &letter.reason),
            ("attempts", &letter.attempts.to_string()),
            ("given up", &letter.give_up_time.clone().unwrap_or_default()),
            ("bytes", &letter.size_bytes.to_string()),
            ("trace", &letter.trace_parent),
        ];
        let facts = facts.into_iter().filter(|(_, fact)| !fact.is_empty());
        facts.map(|(what, fact)| format!("{what:<9} {}", tame(fact))).collect()
    })
}

async fn replay(
    context: &Context,
    operator: &Operator,
    mut client: Client,
    which: Which,
) -> Result<(), Failure> {
    let message = wire::ReplayDeadLettersRequest { selection: Some(which.into()) };
    let answer = client.replay_dead_letters(message).await.map_err(|status| operator.failure(status))?;
    done(context, "replayed", answer.into_inner().dead_letters)
}

async fn forget(
    context: &Context,
    operator: &Operator,
    mut client: Client,
    which: Which,
) -> Result<(), Failure> {
    let message = wire::DropDeadLettersRequest { selection: Some(which.into()) };
    let answer = client.drop_dead_letters(message).await.map_err(|status| operator.failure(status))?;
    done(context, "dropped", answer.into_inner().dead_letters)
}

fn done(context: &Context, what: &str, done: Vec<wire::DeadLetter>) -> Result<(), Failure> {
    let lines =
        done.iter().map(|letter| format!("{what} {} ({})", letter.name, tame(&letter.subject))).collect();
    context.output.answer(&Letters { dead_letters: letters(done) }, || lines)
}

fn table(context: &Context, letters: &[wire::DeadLetter]) -> Table {
    let now = context.clock.now();
    let mut table = Table::new(&["NAME", "QUEUE", "ABOUT", "ATTEMPTS", "AGE", "REASON"]);
    for letter in letters {
        table.row([
            letter.name.clone(),
            letter.queue.clone(),
            letter.subject.clone(),
            letter.attempts.to_string(),
            when::age(letter.give_up_time.as_ref(), now),
            letter.reason.clone(),
        ]);
    }
    table
}

fn letters(letters: Vec<wire::DeadLetter>) -> Vec<Letter> {
    letters.into_iter().map(Letter::from).collect()
}

impl From<wire::DeadLetter> for Letter {
    fn from(letter: wire::DeadLetter) -> Self {
        Self {
            give_up_time: when::exact(letter.give_up_time.as_ref()),
            name: letter.name,
            queue: letter.queue,
            message_type: letter.message_type,
            subject: letter.subject,
            attempts: letter.attempts,
            reason: letter.reason,
            size_bytes: letter.size_bytes,
            trace_parent: letter.trace_parent,
        }
    }
}

impl From<Which> for wire::DeadLetterSelection {
    fn from(which: Which) -> Self {
        let selection = match (which.name, which.queue) {
            (Some(name), _) => Selection::Name(full(name)),
            (None, Some(queue)) => Selection::Queue(queue),
            (None, None) => Selection::All(which.all),
        };
        Self { selection: Some(selection) }
    }
}

/// The name with its collection, which people may leave out.
fn full(name: String) -> String {
    if name.starts_with("deadLetters/") { name } else { format!("deadLetters/{name}") }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::json::complete::check;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        which: Which,
    }

    fn parse(arguments: &[&str]) -> Option<Selection> {
        let line = Line::try_parse_from(["replay"].iter().chain(arguments)).ok()?;
        wire::DeadLetterSelection::from(line.which).selection
    }

    #[test]
    fn a_letter_is_told_whole() {
        let text = || "x".to_owned();
        let letter = wire::DeadLetter {
            name: text(),
            queue: text(),
            message_type: text(),
            subject: text(),
            attempts: 1,
            reason: text(),
            give_up_time: Some(prost_types::Timestamp { seconds: 1, nanos: 0 }),
            size_bytes: 1,
            trace_parent: text(),
        };
        check("queue.v1.DeadLetter", Letter::from(letter));
    }

    #[test]
    fn what_is_meant_is_said_exactly_once() {
        let name = Selection::Name("deadLetters/0197".to_owned());
        assert_eq!(parse(&["0197"]), Some(name.clone()));
        assert_eq!(parse(&["deadLetters/0197"]), Some(name));
        assert_eq!(parse(&["--queue", "q"]), Some(Selection::Queue("q".to_owned())));
        assert_eq!(parse(&["--all"]), Some(Selection::All(true)));
        for wrong in [&[][..], &["0197", "--all"], &["--queue", "q", "--all"]] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
