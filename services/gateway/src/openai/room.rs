//! Room for bodies with pictures, which are kept in memory until the generation is accepted: each user has some, and none
//! of it is another's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use imagioo_rpc::{Code, RpcError};
use imagioo_types::UserId;

/// How many bodies each user is sending. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Room(Arc<Mutex<HashMap<UserId, u32>>>);

/// A body's place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    room: Room,
    user: UserId,
}

impl Room {
    /// A place for one more body, of `most` that the user may send at once.
    pub(super) fn take(&self, user: UserId, most: u32) -> Result<Place, RpcError> {
        let mut taken = self.taken();
        let places = taken.entry(user).or_default();
        if *places >= most {
            let message = format!("send at most {most} requests with pictures at once");
            return Err(RpcError::new(Code::RateLimited, message).retry_after(Duration::from_secs(1)));
        }
        *places += 1;
        Ok(Place { room: self.clone(), user })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<UserId, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.room.taken();
        if let Some(places) = taken.get_mut(&self.user) {
            *places -= 1;
            if *places == 0 {
                taken.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_each_users_own_and_comes_back() {
        let (room, ada, bob) = (Room::default(), UserId::generate(), UserId::generate());
        let places = [room.take(ada, 2).expect("first"), room.take(ada, 2).expect("second")];
        let refused = room.take(ada, 2).expect_err("one too many");
        assert_eq!((refused.code(), refused.delay()), (Code::RateLimited, Some(Duration::from_secs(1))));
        let his = room.take(bob, 2).expect("his own");
        drop((places, his));
        assert!(room.taken().is_empty(), "nothing is left behind");
        room.take(ada, 2).expect("free again");
    }
}
