//! Several of everything at once, and item 48: each is stopped in turn while all are at work.

mod rolling;

use futures::future::join_all;

use crate::house::House;

#[tokio::test]
async fn two_gateways_and_two_workers_share_the_work_and_lose_none() {
    let house = House::start(2, 2).await;
    let user = house.user().await;
    let credits = user.balance().await.expect("a balance").available;
    let prompts: Vec<_> = (0..40).map(|n| format!("fox number {n}")).collect();
    let created = join_all(prompts.iter().map(|prompt| user.create(prompt, 1))).await;
    assert!(created.iter().all(Result::is_ok), "{created:?}");
    assert_eq!(house.settled(&user, credits).await, 40);
    house.stop().await;
}
