//! A second, naive ledger: every single credit is a token that lies somewhere. Slow, obvious, and independent.

use imagioo_billing::ledger::{
    Answer, BucketId, Grant, Held, HoldRequest, Operation, Refusal, Resolution, Source, WriteOff,
};
use imagioo_types::{Credits, GenerationId};
use proptest::prelude::*;
use sqlx::types::Uuid;
use time::Duration;

/// Something that happens to a wallet.
#[derive(Debug, Clone)]
pub enum Step {
    Grant {
        key: u8,
        amount: i64,
        promotional: bool,
        days: Option<i64>,
    },
    Hold {
        request: u8,
        body: u8,
        amount: i64,
    },
    Capture {
        request: u8,
        amount: i64,
    },
    Release {
        request: u8,
    },
    WriteOff {
        request: u8,
        amount: i64,
    },
    Expire,
    /// A day and a bit passes.
    Sleep {
        days: i64,
    },
}

/// Any step, with few names so that they meet often.
pub fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..40_u8, 1..30_i64, any::<bool>(), prop::option::of(1..6_i64))
            .prop_map(|(key, amount, promotional, days)| Step::Grant { key, amount, promotional, days }),
        6 => (0..60_u8, 0..20_u8, 0..25_i64)
            .prop_map(|(request, body, amount)| Step::Hold { request, body: body / 19, amount }),
        3 => (0..60_u8, 0..25_i64).prop_map(|(request, amount)| Step::Capture { request, amount }),
        3 => (0..60_u8).prop_map(|request| Step::Release { request }),
        1 => (0..60_u8, 1..9_i64).prop_map(|(request, amount)| Step::WriteOff { request, amount }),
        1 => Just(Step::Expire),
        2 => (1..3_i64).prop_map(|days| Step::Sleep { days }),
    ]
}

pub fn generation(request: u8) -> GenerationId {
    GenerationId::from_uuid(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 + u128::from(request)))
}

pub fn natural_key(key: u8) -> String {
    format!("test:{key}")
}

impl Step {
    /// The step as the ledger understands it; none for the passing of time. Lifetimes end half way between two
    /// moments at which something happens.
    pub fn operation(&self) -> Option<Operation> {
        let credits = Credits::new;
        Some(match *self {
            Self::Grant { key, amount, promotional, days } => Operation::Grant(Grant {
                bucket: BucketId::generate(),
                natural_key: natural_key(key),
                source: if promotional { Source::Promotion } else { Source::Purchase },
                promotional,
                amount: credits(amount),
                lifetime: days.map(|days| Duration::days(days) - Duration::hours(12)),
            }),
            Self::Hold { request, body, amount } => Operation::Hold(HoldRequest {
                generation: generation(request),
                request_id: format!("request {request}"),
                body_hash: [body; 32],
                amount: credits(amount),
                resolve_within: Duration::minutes(10),
            }),
            Self::Capture { request, amount } => {
                Operation::Capture { generation: generation(request), amount: credits(amount) }
            }
            Self::Release { request } => Operation::Release { generation: generation(request) },
            Self::WriteOff { request, amount } => {
                Operation::WriteOff(WriteOff { generation: generation(request), amount: credits(amount) })
            }
            Self::Expire => Operation::Expire,
            Self::Sleep { .. } => return None,
        })
    }
}

/// Where one credit lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Free,
    Held(u8),
    Spent,
    Expired,
}

#[derive(Debug)]
struct Token {
    bucket: usize,
    place: Place,
}

#[derive(Debug)]
struct Bucket {
    key: u8,
    promotional: bool,
    expires_on: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Captured(i64),
    Released,
}

#[derive(Debug)]
struct Hold {
    request: u8,
    body: u8,
    amount: i64,
    end: End,
}

/// The naive ledger of one owner.
#[derive(Debug, Default)]
pub struct Model {
    day: i64,
    buckets: Vec<Bucket>,
    tokens: Vec<Token>,
    holds: Vec<Hold>,
    write_offs: Vec<(u8, i64)>,
}

/// The figures of a bucket, by natural key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Figures {
    pub key: String,
    pub remaining: i64,
    pub reserved: i64,
}

impl Model {
    pub fn available(&self) -> i64 {
        self.count(|place| place == Place::Free)
    }

    pub fn reserved(&self) -> i64 {
        self.count(|place| matches!(place, Place::Held(_)))
    }

    pub fn expired(&self) -> i64 {
        self.count(|place| place == Place::Expired)
    }

    /// Spent by the owner or, for written-off images, by the house.
    pub fn spent(&self) -> i64 {
        self.count(|place| place == Place::Spent) + self.written_off()
    }

    pub fn written_off(&self) -> i64 {
        self.write_offs.iter().map(|(_, amount)| amount).sum()
    }

    pub fn granted(&self) -> i64 {
        self.count(|_| true)
    }

    pub fn buckets(&self) -> Vec<Figures> {
        let mut all: Vec<_> = self
            .buckets
            .iter()
            .enumerate()
            .map(|(place, bucket)| {
                let own = |wanted: fn(Place) -> bool| {
                    let own = self.tokens.iter().filter(|token| token.bucket == place && wanted(token.place));
                    i64::try_from(own.count()).expect("few tokens")
                };
                Figures {
                    key: natural_key(bucket.key),
                    remaining: own(|place| place == Place::Free),
                    reserved: own(|place| matches!(place, Place::Held(_))),
                }
            })
            .collect();
        all.sort();
        all
    }

    /// What the ledger should answer; none for the passing of time.
    pub fn take(&mut self, step: &Step) -> Option<Result<Answer, Refusal>> {
        if let Step::Sleep { days } = *step {
            self.day += days;
            return None;
        }
        let expired = self.expire();
        Some(match *step {
            Step::Grant { key, amount, promotional, days } => Ok(self.grant(key, amount, promotional, days)),
            Step::Hold { request, body, amount } => self.hold(request, body, amount),
            Step::Capture { request, amount } => self.capture(request, amount),
            Step::Release { request } => self.release(request),
            Step::WriteOff { request, amount } => self.write_off(request, amount),
            Step::Expire => Ok(Answer::Expired(Credits::new(expired))),
            Step::Sleep { .. } => return None,
        })
    }

    fn count(&self, wanted: impl Fn(Place) -> bool) -> i64 {
        i64::try_from(self.tokens.iter().filter(|token| wanted(token.place)).count()).expect("few tokens")
    }

    fn is_expired(&self, bucket: usize) -> bool {
        self.buckets[bucket].expires_on.is_some_and(|day| day <= self.day)
    }

    fn expire(&mut self) -> i64 {
        let mut count = 0;
        for place in 0..self.tokens.len() {
            if self.tokens[place].place == Place::Free && self.is_expired(self.tokens[place].bucket) {
                self.tokens[place].place = Place::Expired;
                count += 1;
            }
        }
        count
    }

    fn grant(&mut self, key: u8, amount: i64, promotional: bool, days: Option<i64>) -> Answer {
        if self.buckets.iter().any(|bucket| bucket.key == key) {
            return Answer::Granted(false);
        }
        let bucket = self.buckets.len();
        let expires_on = days.map(|days| self.day + days);
        self.buckets.push(Bucket { key, promotional, expires_on });
        self.tokens.extend((0..amount).map(|_| Token { bucket, place: Place::Free }));
        Answer::Granted(true)
    }

    /// Token places, those that are spent first in front. Buckets are numbered by age.
    fn burn_order(&self) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.tokens.len()).collect();
        places.sort_by_key(|place| {
            let number = self.tokens[*place].bucket;
            let bucket = &self.buckets[number];
            (bucket.expires_on.unwrap_or(i64::MAX), !bucket.promotional, number)
        });
        places
    }

    fn hold(&mut self, request: u8, body: u8, amount: i64) -> Result<Answer, Refusal> {
        if let Some(hold) = self.holds.iter().find(|hold| hold.request == request) {
            if hold.body != body {
                return Err(Refusal::RequestIdReused);
            }
            return Ok(held(request, hold.amount, false));
        }
        if amount > self.available() {
            let (available, needed) = (Credits::new(self.available()), Credits::new(amount));
            return Err(Refusal::Insufficient { available, needed });
        }
        let order = self.burn_order();
        let free = order.into_iter().filter(|place| self.tokens[*place].place == Place::Free);
        for place in free.take(usize::try_from(amount).expect("positive")).collect::<Vec<_>>() {
            self.tokens[place].place = Place::Held(request);
        }
        self.holds.push(Hold { request, body, amount, end: End::Open });
        Ok(held(request, amount, true))
    }

    fn capture(&mut self, request: u8, amount: i64) -> Result<Answer, Refusal> {
        let hold = self.holds.iter_mut().find(|hold| hold.request == request).ok_or(Refusal::NoHold)?;
        let total = hold.amount;
        match hold.end {
            End::Released => return Err(Refusal::AlreadyReleased),
            End::Captured(captured) if captured == amount => return Ok(resolved(amount, total)),
            End::Captured(captured) => {
                let (captured, held) = (Credits::new(captured), Credits::new(total));
                return Err(Refusal::AlreadyCaptured { captured, held });
            }
            End::Open if total < amount => return Err(Refusal::ExceedsHold { held: Credits::new(total) }),
            End::Open => hold.end = End::Captured(amount),
        }
        self.give_back(request, amount);
        Ok(resolved(amount, total))
    }

    fn release(&mut self, request: u8) -> Result<Answer, Refusal> {
        let hold = self.holds.iter_mut().find(|hold| hold.request == request).ok_or(Refusal::NoHold)?;
        let total = hold.amount;
        match hold.end {
            End::Captured(captured) => {
                let (captured, held) = (Credits::new(captured), Credits::new(total));
                return Err(Refusal::AlreadyCaptured { captured, held });
            }
            End::Released => return Ok(resolved(0, total)),
            End::Open => hold.end = End::Released,
        }
        self.give_back(request, 0);
        Ok(resolved(0, total))
    }

    /// The first `spent` tokens of a hold are spent, the others go back to where they came from.
    fn give_back(&mut self, request: u8, spent: i64) {
        let order = self.burn_order();
        let own = order.into_iter().filter(|place| self.tokens[*place].place == Place::Held(request));
        for (count, place) in (0..).zip(own.collect::<Vec<_>>()) {
            self.tokens[place].place = match () {
                () if count < spent => Place::Spent,
                () if self.is_expired(self.tokens[place].bucket) => Place::Expired,
                () => Place::Free,
            };
        }
    }

    fn write_off(&mut self, request: u8, amount: i64) -> Result<Answer, Refusal> {
        if self.write_offs.iter().any(|(earlier, _)| *earlier == request) {
            return Ok(Answer::WrittenOff(false));
        }
        if self.holds.iter().any(|hold| hold.request == request && hold.end == End::Open) {
            return Err(Refusal::HoldOpen);
        }
        self.write_offs.push((request, amount));
        Ok(Answer::WrittenOff(true))
    }
}

fn held(request: u8, amount: i64, created: bool) -> Answer {
    Answer::Held(Held { generation: generation(request), amount: Credits::new(amount), created })
}

fn resolved(captured: i64, total: i64) -> Answer {
    let (captured, given_back) = (Credits::new(captured), Credits::new(total - captured));
    Answer::Resolved(Resolution { captured, given_back })
}
