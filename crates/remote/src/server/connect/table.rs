//! Who is connected, and who gives way.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::timeout;

use super::super::auth::ClientId;
use super::slow::{Clock, PATIENCE, WaitCause};

/// How often it is looked who fell behind, while somebody waits for room.
const LOOK: Duration = Duration::from_millis(50);
/// How long a connection that gives way may take to end.
const GONE: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(super) struct ConnectionTable {
    inner: Mutex<OpenConnections>,
    most: usize,
    /// The most idle connections of one address.
    each: usize,
    /// Woken when a connection ends or becomes idle.
    moved: Notify,
}

#[derive(Debug, Default)]
struct OpenConnections {
    next: u64,
    open: usize,
    /// Idle connections of each address, the longest idle first; those that never had a request whole
    /// before those that had.
    idle: HashMap<ClientId, BTreeMap<(bool, u64), Arc<Notify>>>,
    states: HashMap<u64, Arc<ConnectionState>>,
}

/// What others may see of a connection, and do to it.
#[derive(Debug, Default)]
struct ConnectionState {
    close: Arc<Notify>,
    clock: Clock,
    leaves: AtomicBool,
}

impl OpenConnections {
    fn take_longest(&mut self, address: &ClientId) -> Option<Arc<Notify>> {
        let of = self.idle.get_mut(address)?;
        let (_, close) = of.pop_first()?;
        if of.is_empty() {
            self.idle.remove(address);
        }
        Some(close)
    }

    fn give_way(&mut self) -> bool {
        let Some(address) = self.idle.iter().max_by_key(|(_, of)| of.len()).map(|(a, _)| a.clone()) else {
            return false;
        };
        self.take_longest(&address).is_some_and(|close| {
            close.notify_one();
            true
        })
    }

    /// Closes the connection that is furthest behind, with this or with anything, if it is by much.
    fn slowest_gives_way(&self, with: Option<WaitCause>) {
        let behind = |s: &Arc<ConnectionState>| {
            s.clock.behind(with).filter(|b| *b >= PATIENCE).map(|b| (b, s.clone()))
        };
        if let Some((_, slowest)) = self.states.values().filter_map(behind).max_by_key(|(b, _)| *b) {
            slowest.leaves.store(true, Ordering::SeqCst);
            slowest.clock.end();
            slowest.close.notify_one();
        }
    }
}

impl ConnectionTable {
    pub fn new(most: usize, each: usize) -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default(), most, each: each.max(1), moved: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, OpenConnections> {
        // A panic elsewhere leaves the table whole: no step of a change can panic half way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room for one more, which there is as long as any connection is idle: the
    /// longest idle of the address that has most gives way, or else who is furthest behind.
    pub async fn room(&self) {
        let mut asked: Option<Instant> = None;
        loop {
            let moved = self.moved.notified();
            {
                let mut inner = self.lock();
                if inner.open < self.most {
                    return;
                }
                // Its place is free once it has ended, if no request of it was just there.
                if asked.is_none_or(|at| at.elapsed() > GONE) {
                    asked = inner.give_way().then(Instant::now);
                }
                if asked.is_none() {
                    inner.slowest_gives_way(None);
                }
            }
            if timeout(LOOK, moved).await.is_ok() {
                asked = None;
            }
        }
    }

    /// Makes the longest idle connection give way.
    pub fn give_way(&self) {
        self.lock().give_way();
    }

    /// Waits until all have ended.
    pub async fn empty(&self) {
        loop {
            let moved = self.moved.notified();
            if self.lock().open == 0 {
                return;
            }
            moved.await;
        }
    }

    /// A place for a new connection, idle yet. Where its address has too many idle ones, the longest
    /// idle gives way.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Arc<ConnectionSlot> {
        let address = ClientId::at(address);
        let mut inner = self.lock();
        inner.open += 1;
        if inner.idle.get(&address).is_some_and(|of| of.len() >= self.each)
            && let Some(close) = inner.take_longest(&address)
        {
            close.notify_one();
        }
        inner.next += 1;
        let (id, state) = (inner.next, Arc::<ConnectionState>::default());
        inner.states.insert(id, state.clone());
        let place = ConnectionSlot {
            table: self.clone(),
            id,
            address,
            state,
            key: Mutex::new(None),
            proven: AtomicBool::new(false),
            works: AtomicBool::new(false),
            stays: AtomicBool::new(false),
        };
        place.rest(&mut inner);
        drop(inner);
        Arc::new(place)
    }
}

/// A connection's place, left when the connection is closed.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    table: Arc<ConnectionTable>,
    id: u64,
    address: ClientId,
    state: Arc<ConnectionState>,
    key: Mutex<Option<(bool, u64)>>,
    proven: AtomicBool,
    works: AtomicBool,
    stays: AtomicBool,
}

impl ConnectionSlot {
    fn rest(&self, inner: &mut OpenConnections) {
        inner.next += 1;
        let key = (self.proven(), inner.next);
        inner.idle.entry(self.address.clone()).or_default().insert(key, self.state.close.clone());
        *self.key.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
    }

    fn unrest(&self, inner: &mut OpenConnections) {
        let Some(key) = self.key.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        if let Some(of) = inner.idle.get_mut(&self.address) {
            of.remove(&key);
            if of.is_empty() {
                inner.idle.remove(&self.address);
            }
        }
    }

    /// The head of a request is there: the connection is at work until what this returns is dropped.
    pub fn busy(self: &Arc<Self>) -> Busy {
        self.proven.store(true, Ordering::SeqCst);
        self.works.store(true, Ordering::SeqCst);
        self.unrest(&mut self.table.lock());
        Busy(self.clone())
    }

    /// Whether it ever had a request whole.
    pub fn proven(&self) -> bool {
        self.proven.load(Ordering::SeqCst)
    }

    /// Whether a request is being answered, or it became a socket.
    pub fn works(&self) -> bool {
        self.works.load(Ordering::SeqCst)
    }

    /// It became a socket, which has limits of its own.
    pub fn stay(&self) {
        self.stays.store(true, Ordering::SeqCst);
    }

    /// Ready when it has to give way.
    pub async fn given_up(&self) {
        self.state.close.notified().await;
    }

    /// Whether it has to, at work or not.
    pub fn leaves(&self) -> bool {
        self.state.leaves.load(Ordering::SeqCst)
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.state.clock
    }

    /// Closes the connection that is furthest behind with something, if it is by much.
    pub(super) fn slowest_gives_way(&self, with: WaitCause) {
        self.table.lock().slowest_gives_way(Some(with));
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut inner = self.table.lock();
        self.unrest(&mut inner);
        inner.states.remove(&self.id);
        inner.open -= 1;
        drop(inner);
        self.table.moved.notify_waiters();
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Busy(Arc<ConnectionSlot>);

impl Drop for Busy {
    fn drop(&mut self) {
        if !self.0.stays.load(Ordering::SeqCst) {
            self.0.works.store(false, Ordering::SeqCst);
            self.0.rest(&mut self.0.table.lock());
            self.0.table.moved.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::slow::Connection;
    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    async fn given_up(place: &ConnectionSlot) -> bool {
        timeout(SOON, place.given_up()).await.is_ok()
    }

    #[tokio::test]
    async fn the_longest_idle_of_an_address_gives_way_and_who_works_does_not() {
        let table = ConnectionTable::new(100, 2);
        let (here, there) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let works = table.admit(here);
        let busy = works.busy();
        let other = table.admit(there);
        let places: Vec<_> = (0..3).map(|_| table.admit(here)).collect();
        assert!(given_up(&places[0]).await);
        assert!(!given_up(&places[1]).await && !given_up(&works).await && !given_up(&other).await);
        // Once answered, it is idle again, and gives way after those that never asked.
        drop(busy);
        table.admit(here);
        assert!(given_up(&places[1]).await && !given_up(&works).await);
    }

    #[tokio::test]
    async fn without_room_the_crowd_gives_way_and_work_is_waited_for() {
        let table = ConnectionTable::new(3, 10);
        let (here, there) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let (crowd, next, lone) = (table.admit(here), table.admit(here), table.admit(there));
        assert!(timeout(SOON, table.room()).await.is_err());
        assert!(given_up(&crowd).await && !given_up(&lone).await);
        drop(crowd);
        timeout(SOON, table.room()).await.unwrap();
        let third = table.admit(there);
        let busy = [next.busy(), lone.busy(), third.busy()];
        assert!(timeout(SOON, table.room()).await.is_err());
        assert!(!given_up(&next).await && !given_up(&third).await);
        drop(busy);
        drop((next, lone, third));
        timeout(SOON, table.empty()).await.unwrap();
    }

    #[tokio::test]
    async fn who_keeps_the_server_waiting_gives_way_when_others_wait() {
        let table = ConnectionTable::new(3, 10);
        let here = "10.0.0.1".parse().unwrap();
        let (stalls, moves, works) = (table.admit(here), table.admit(here), table.admit(here));
        let _busy = [stalls.busy(), moves.busy(), works.busy()];
        let _unread = Connection(stalls.clone()).waits(WaitCause::Answer);
        let read = Connection(moves.clone()).waits(WaitCause::Answer);
        // Nobody is far behind yet.
        assert!(timeout(SOON, table.room()).await.is_err());
        tokio::time::sleep(PATIENCE).await;
        read.moved(64 << 10);
        moves.slowest_gives_way(WaitCause::Body);
        assert!(!stalls.leaves());
        assert!(timeout(SOON, table.room()).await.is_err());
        assert!(stalls.leaves() && given_up(&stalls).await);
        assert!(!moves.leaves() && !works.leaves());
    }
}
