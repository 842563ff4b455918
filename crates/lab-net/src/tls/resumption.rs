//! Resumption of sessions: a cache of sessions, and keys that seal them into tickets. Both are shared by all workers.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, NONCE_LEN, RandomizedNonceKey};
use aws_lc_rs::rand;
use rustls::server::{ProducesTickets, StoresServerSessions};

/// Sessions by their identifiers, each for a limited time.
pub struct SessionCache {
    state: Mutex<CachedSessions>,
    /// The largest number of sessions.
    capacity: usize,
    timeout: Duration,
}

#[derive(Default)]
struct CachedSessions {
    by_id: HashMap<Vec<u8>, (Instant, Vec<u8>)>,
    /// Identifiers, oldest first. Some may be gone already.
    order: VecDeque<Vec<u8>>,
}

impl SessionCache {
    #[must_use]
    pub fn new(capacity: usize, timeout: Duration) -> SessionCache {
        SessionCache { state: Mutex::default(), capacity, timeout }
    }

    // OK because nothing panics while it holds the lock.
    fn state(&self) -> MutexGuard<'_, CachedSessions> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_fresh(&self, stored: Instant) -> bool {
        stored.elapsed() < self.timeout
    }
}

impl StoresServerSessions for SessionCache {
    fn put(&self, id: Vec<u8>, session: Vec<u8>) -> bool {
        let mut state = self.state();
        while state.order.len() >= self.capacity {
            let Some(oldest) = state.order.pop_front() else { return false };
            state.by_id.remove(&oldest);
        }
        if state.by_id.insert(id.clone(), (Instant::now(), session)).is_none() {
            state.order.push_back(id);
        }
        true
    }

    fn get(&self, id: &[u8]) -> Option<Vec<u8>> {
        let state = self.state();
        let (stored, session) = state.by_id.get(id)?;
        self.is_fresh(*stored).then(|| session.clone())
    }

    fn take(&self, id: &[u8]) -> Option<Vec<u8>> {
        // its place in the order remains until its turn comes
        let (stored, session) = self.state().by_id.remove(id)?;
        self.is_fresh(stored).then_some(session)
    }

    fn can_cache(&self) -> bool {
        self.capacity > 0
    }
}

impl fmt::Debug for SessionCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCache").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

/// The keys of session tickets. The first seals; all of them open.
pub struct TicketKeys {
    keys: Mutex<Keys>,
    /// How long a ticket may be used.
    timeout: Duration,
    /// Whether the keys are random, and are replaced from time to time.
    is_rotated: bool,
}

struct Keys {
    list: Vec<TicketKey>,
    /// When the first key came into use.
    since: Instant,
}

struct TicketKey {
    name: [u8; NAME],
    key: RandomizedNonceKey,
}

/// The length of a key's name, as in nginx's key files.
const NAME: usize = 16;
/// The length of the time in a ticket.
const TIME: usize = 8;

/// A key file does not have 48 or 80 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 48 or 80 bytes")]
pub struct InvalidTicketKey;

impl TicketKeys {
    /// Random keys, which are replaced from time to time.
    #[must_use]
    pub fn random(timeout: Duration) -> TicketKeys {
        let keys = Keys { list: TicketKey::random().into_iter().collect(), since: Instant::now() };
        TicketKeys { keys: Mutex::new(keys), timeout, is_rotated: true }
    }

    /// The contents of nginx's key files: a name of 16 bytes, then a key of 32 or 64 bytes.
    ///
    /// # Errors
    /// One has another length.
    pub fn from_files(files: &[Vec<u8>], timeout: Duration) -> Result<TicketKeys, InvalidTicketKey> {
        let list = files.iter().map(|file| TicketKey::from_file(file)).collect::<Result<_, _>>()?;
        let keys = Keys { list, since: Instant::now() };
        Ok(TicketKeys { keys: Mutex::new(keys), timeout, is_rotated: false })
    }

    /// The current keys. A random one seals for one timeout, and opens for at least one more.
    fn keys(&self) -> MutexGuard<'_, Keys> {
        // OK because nothing panics while it holds the lock
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_rotated
            && keys.since.elapsed() >= self.timeout
            && let Some(next) = TicketKey::random()
        {
            keys.list.insert(0, next);
            keys.list.truncate(2);
            keys.since = Instant::now();
        }
        keys
    }
}

impl TicketKey {
    fn new(name: [u8; NAME], algorithm: &'static Algorithm, key: &[u8]) -> Option<TicketKey> {
        Some(TicketKey { name, key: RandomizedNonceKey::new(algorithm, key).ok()? })
    }

    /// None if the system has no randomness.
    fn random() -> Option<TicketKey> {
        let (mut name, mut key) = ([0; NAME], [0; 32]);
        rand::fill(&mut name).ok()?;
        rand::fill(&mut key).ok()?;
        TicketKey::new(name, &AES_256_GCM, &key)
    }

    fn from_file(file: &[u8]) -> Result<TicketKey, InvalidTicketKey> {
        // nginx takes the parts of a file for AES and for HMAC; this needs only one of them
        let (algorithm, key) = match file.len() {
            48 => (&AES_128_GCM, file.get(32..48)),
            80 => (&AES_256_GCM, file.get(48..80)),
            _ => return Err(InvalidTicketKey),
        };
        let name = file.first_chunk().ok_or(InvalidTicketKey)?;
        key.and_then(|key| TicketKey::new(*name, algorithm, key)).ok_or(InvalidTicketKey)
    }
}

impl ProducesTickets for TicketKeys {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.timeout.as_secs().try_into().unwrap_or(u32::MAX)
    }

    /// A ticket is the name of its key, a nonce, and the sealed time and session.
    fn encrypt(&self, session: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = seconds(SystemTime::now()).to_be_bytes().to_vec();
        sealed.extend_from_slice(session);
        let keys = self.keys();
        let key = keys.list.first()?;
        let nonce = key.key.seal_in_place_append_tag(Aad::from(&key.name), &mut sealed).ok()?;
        Some([&key.name[..], &nonce.as_ref()[..], &sealed].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_at_checked(NAME)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let nonce = aws_lc_rs::aead::Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let keys = self.keys();
        let key = keys.list.iter().find(|key| key.name == name)?;
        let opened = key.key.open_in_place(nonce, Aad::from(&key.name), &mut sealed).ok()?;
        let (time, session) = opened.split_at_checked(TIME)?;
        let issued = u64::from_be_bytes(time.try_into().ok()?);
        let age = seconds(SystemTime::now()).saturating_sub(issued);
        (age < self.timeout.as_secs()).then(|| session.to_vec())
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketKeys").field("is_rotated", &self.is_rotated).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn tickets_open_with_any_of_the_keys() {
        let files = [vec![1; 80], vec![2; 48]];
        let both = TicketKeys::from_files(&files, MINUTE).unwrap();
        let second = TicketKeys::from_files(&files[1..], MINUTE).unwrap();
        let ticket = second.encrypt(b"session").unwrap();
        assert_eq!(both.decrypt(&ticket).as_deref(), Some(&b"session"[..]));
        assert_eq!(second.decrypt(&both.encrypt(b"session").unwrap()), None);
        assert_eq!(second.decrypt(b"short"), None);
        let mut forged = ticket;
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(both.decrypt(&forged), None);
        assert_eq!(TicketKeys::from_files(&[vec![0; 47]], MINUTE).err(), Some(InvalidTicketKey));
    }

    #[test]
    fn random_keys_are_replaced_and_open_old_tickets() {
        let keys = TicketKeys::random(MINUTE);
        let ticket = keys.encrypt(b"session").unwrap();
        let age = |keys: &TicketKeys| keys.keys.lock().unwrap().since = Instant::now() - MINUTE;
        age(&keys);
        let next = keys.encrypt(b"session").unwrap();
        assert_ne!(ticket[..NAME], next[..NAME]);
        assert!(keys.decrypt(&ticket).is_some());
        age(&keys);
        assert_eq!((keys.decrypt(&ticket), keys.decrypt(&next).is_some()), (None, true));
    }

    #[test]
    fn expired_tickets_do_not_open() {
        let keys = TicketKeys::from_files(&[vec![1; 80]], Duration::ZERO).unwrap();
        let ticket = keys.encrypt(b"session").unwrap();
        assert_eq!(keys.decrypt(&ticket), None);
    }

    #[test]
    fn full_cache_drops_the_oldest_session() {
        let cache = SessionCache::new(2, MINUTE);
        for id in [b"a", b"b", b"c"] {
            assert!(cache.put(id.to_vec(), id.to_vec()));
        }
        assert_eq!((cache.get(b"a"), cache.get(b"b").is_some()), (None, true));
        assert_eq!(cache.take(b"c").as_deref(), Some(&b"c"[..]));
        assert_eq!(cache.take(b"c"), None);
        let expiring = SessionCache::new(2, Duration::ZERO);
        assert!(expiring.put(b"a".to_vec(), Vec::new()) && expiring.get(b"a").is_none());
    }
}
