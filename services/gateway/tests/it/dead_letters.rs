//! What an operator does about messages that no consumer could handle.

use imagioo_proto::jobs::v1::GenerationFinished;
use imagioo_proto::queue::v1::dead_letter_admin_service_client::DeadLetterAdminServiceClient;
use imagioo_proto::queue::v1::dead_letter_selection::Selection;
use imagioo_proto::queue::v1::{
    DeadLetter, DeadLetterSelection, DropDeadLettersRequest, GetDeadLetterRequest, ListDeadLettersRequest,
    ListDeadLettersResponse, ReplayDeadLettersRequest,
};
use imagioo_queue::Message;
use imagioo_rpc::{Channel, Code, RpcError};
use imagioo_types::ServiceName;
use uuid::Uuid;

use crate::harness::{App, eventually};

type Operator = DeadLetterAdminServiceClient<Channel>;

fn operator(app: &App) -> Operator {
    Operator::new(app.public_as(ServiceName::Operator, ServiceName::Gateway))
}

async fn list(operator: &Operator, queue: &str) -> ListDeadLettersResponse {
    let message = ListDeadLettersRequest { queue: queue.to_owned(), ..Default::default() };
    operator.clone().list_dead_letters(message).await.expect("listed").into_inner()
}

/// A finished attempt of something that is no generation.
async fn given_up(app: &App, operator: &Operator) -> DeadLetter {
    let finished = GenerationFinished { generation: "nonsense".to_owned(), attempt: 1, ..Default::default() };
    app.queue.publish(Message::of(&finished)).await.expect("published");
    eventually("it is given up", async || list(operator, "").await.total_size == 1).await;
    list(operator, "").await.dead_letters.remove(0)
}

async fn replay(operator: &Operator, selection: Selection) -> Result<Vec<DeadLetter>, RpcError> {
    let message =
        ReplayDeadLettersRequest { selection: Some(DeadLetterSelection { selection: Some(selection) }) };
    Ok(operator.clone().replay_dead_letters(message).await?.into_inner().dead_letters)
}

#[tokio::test]
async fn r39_an_operator_sees_why_a_message_was_given_up_replays_it_and_drops_it() {
    let app = App::start().await;
    let operator = operator(&app);
    let letter = given_up(&app, &operator).await;
    assert_eq!((letter.queue.as_str(), letter.attempts), ("gateway.generation-finished", 1));
    assert_eq!(
        (letter.subject.as_str(), letter.reason.as_str()),
        ("nonsense", "the message names no generation")
    );
    assert_eq!(letter.message_type, "imagioo.jobs.v1.GenerationFinished");
    assert!(letter.give_up_time.is_some() && letter.size_bytes > 0);
    let get = GetDeadLetterRequest { name: letter.name.clone() };
    let shown = operator.clone().get_dead_letter(get).await.expect("shown").into_inner();
    assert_eq!(shown.dead_letter.as_ref(), Some(&letter));
    assert_eq!(list(&operator, "billing.generation-settled").await.total_size, 0);

    // What is wrong with it was not mended.
    assert_eq!(replay(&operator, Selection::Name(letter.name.clone())).await.expect("replayed").len(), 1);
    eventually("it is given up again", async || list(&operator, "").await.total_size == 1).await;
    assert_eq!(replay(&operator, Selection::Queue(letter.queue.clone())).await.expect("replayed").len(), 1);
    eventually("it is given up again", async || list(&operator, "").await.total_size == 1).await;

    let selection = Some(DeadLetterSelection { selection: Some(Selection::All(true)) });
    let dropped =
        operator.clone().drop_dead_letters(DropDeadLettersRequest { selection }).await.expect("dropped");
    assert_eq!(dropped.into_inner().dead_letters[0].name, letter.name);
    assert_eq!(list(&operator, "").await.total_size, 0);
    app.ends_clean().await;
}

#[tokio::test]
async fn dead_letters_are_shown_page_by_page_whatever_is_dropped_between_two_pages() {
    let app = App::start().await;
    let operator = operator(&app);
    for number in 1..=5 {
        let generation = format!("nonsense {number}");
        let finished = GenerationFinished { generation, attempt: 1, ..Default::default() };
        app.queue.publish(Message::of(&finished)).await.expect("published");
        eventually("it is given up", async || list(&operator, "").await.total_size == number).await;
    }
    let page = async |page_token: String| {
        let message = ListDeadLettersRequest { page_size: 2, page_token, ..Default::default() };
        let page = operator.clone().list_dead_letters(message).await.expect("listed").into_inner();
        let subjects = page.dead_letters.iter().map(|letter| letter.subject.clone());
        (subjects.collect::<Vec<_>>(), page.next_page_token)
    };
    let (first, next) = page(String::new()).await;
    let (second, last) = page(next.clone()).await;
    assert_eq!((first.len(), second.len()), (2, 2));
    let (third, none) = page(last).await;
    assert_eq!((third.len(), none.as_str()), (1, ""));
    let seen = [first, second.clone(), third].concat();
    assert_eq!(seen, (1..=5).map(|number| format!("nonsense {number}")).collect::<Vec<_>>());

    let shown = list(&operator, "").await.dead_letters;
    let selection = Some(DeadLetterSelection { selection: Some(Selection::Name(shown[1].name.clone())) });
    operator.clone().drop_dead_letters(DropDeadLettersRequest { selection }).await.expect("dropped");
    assert_eq!(page(next).await.0, second, "nothing is passed over");
    let selection = Some(DeadLetterSelection { selection: Some(Selection::All(true)) });
    operator.clone().drop_dead_letters(DropDeadLettersRequest { selection }).await.expect("dropped");
    app.ends_clean().await;
}

#[tokio::test]
async fn dead_letters_are_the_operators_and_wrong_names_say_what_is_wrong() {
    let app = App::start().await;
    let (ada, operator) = (app.user(), operator(&app));
    let mut hers = DeadLetterAdminServiceClient::new(ada.channel.clone());
    let refused =
        hers.list_dead_letters(ada.says(ListDeadLettersRequest::default())).await.expect_err("hers not");
    assert_eq!(RpcError::from(refused).code(), Code::Unauthenticated);

    let nothing = format!("deadLetters/{}", Uuid::now_v7());
    for (selection, code) in [
        (Selection::Name(nothing.clone()), Code::NotFound),
        (Selection::Queue("no.queue".to_owned()), Code::NotFound),
        (Selection::Name("deadLetters/x".to_owned()), Code::InvalidArgument),
        (Selection::Queue(String::new()), Code::InvalidArgument),
        (Selection::All(false), Code::InvalidArgument),
    ] {
        let error = replay(&operator, selection.clone()).await.expect_err("refused");
        assert_eq!(error.code(), code, "{selection:?}");
    }
    assert_eq!(replay(&operator, Selection::All(true)).await.expect("nothing to do"), []);
    let get = GetDeadLetterRequest { name: nothing };
    let error = operator.clone().get_dead_letter(get).await.expect_err("nothing there");
    assert_eq!(RpcError::from(error).code(), Code::NotFound);
    app.ends_clean().await;
}
