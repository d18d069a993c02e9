//! Shares work among threads. A pool's helpers start once; between two jobs they spin for a moment, since the next one mostly
//! follows within microseconds, and then sleep. A job does not wait for helpers that come late: whoever is there takes pieces.
//! Each thread begins with its own share of them, the same one in every job of as many threads, so that it finds in its caches what
//! it has had there, and goes on with the others'.

use std::{
    cell::{Cell, UnsafeCell},
    hint::spin_loop,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::slice_from_raw_parts_mut,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst},
    },
};

/// Looks that a helper takes for a job before it sleeps, and the caller for the end of one: some twenty microseconds. A processor
/// pauses between two of them; WebAssembly cannot.
const SPINS: usize = if cfg!(target_arch = "wasm32") { 20_000 } else { 500 };
/// Looks after which a helper is taken for dead: a minute or so.
const MOST_LOOKS: u64 = 1 << 34;

/// Multiplications of some ten microseconds.
const WORTH_SHARING: usize = 1 << 16;

/// Shares of a job at most. More threads than that have some in common.
const MOST_SHARES: usize = 16;

/// Helpers may enter the job.
const OPEN: u32 = 1 << 31;

/// Threads that compute together: the caller's and its helpers.
pub struct Pool {
    shared: Arc<Shared>,
    threads: usize,
    /// Operations from which on work is shared.
    worth_sharing: usize,
    /// Whether the helpers end with it.
    owner: bool,
    /// It has one caller: two would write over each other's jobs.
    not_sync: PhantomData<Cell<()>>,
}

/// What the caller and the helpers know of each other.
pub struct Shared {
    /// [`OPEN`], and the number of helpers in the job.
    gate: AtomicU32,
    /// Rises with each job.
    generation: AtomicU32,
    /// Written while the gate is shut and nobody is behind it.
    job: UnsafeCell<Option<Job>>,
    /// How many helpers the job may have. One more does no harm.
    most: AtomicU32,
    /// How many helpers there have been.
    helpers: AtomicUsize,
    /// How many pieces of each share have been taken.
    taken: [Taken; MOST_SHARES],
    sleeping: AtomicU32,
    sleepers: Mutex<()>,
    wake: Condvar,
    /// A helper has panicked.
    failed: AtomicBool,
    /// The pool is gone.
    closed: AtomicBool,
}

/// Alone in what processors' caches exchange.
#[derive(Default)]
#[repr(align(64))]
struct Taken(AtomicUsize);

/// A call of a closure that lives until the job has ended.
#[derive(Clone, Copy)]
struct Job {
    call: unsafe fn(*const (), usize),
    closure: *const (),
    pieces: usize,
    shares: usize,
}

// SAFETY: `job` is written by the one caller while no helper is behind the gate, and read by those behind it; what its
// closure refers to may be shared, as `Pool::each` demands.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

impl Shared {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            gate: AtomicU32::new(0),
            generation: AtomicU32::new(0),
            job: UnsafeCell::new(None),
            most: AtomicU32::new(0),
            helpers: AtomicUsize::new(0),
            taken: Default::default(),
            sleeping: AtomicU32::new(0),
            sleepers: Mutex::new(()),
            wake: Condvar::new(),
            failed: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        })
    }

    /// Lets this thread help until the pool is gone.
    pub fn help(&self) {
        let own = self.helpers.fetch_add(1, SeqCst) + 1;
        let mut done = 0;
        while let Some(generation) = self.next_job(done) {
            done = generation;
            let may_enter = |gate: u32| gate & OPEN != 0 && gate - OPEN < self.most.load(SeqCst);
            let entered = self.gate.fetch_update(SeqCst, SeqCst, |gate| may_enter(gate).then_some(gate + 1));
            if entered.is_err() {
                continue;
            }
            // SAFETY: the gate was open, so the job is written, and stays until this thread has left.
            let job = unsafe { *self.job.get() };
            if let Some(job) = job
                && catch_unwind(AssertUnwindSafe(|| self.take_pieces(job, own))).is_err()
            {
                self.fail();
            }
            self.gate.fetch_sub(1, SeqCst);
        }
    }

    /// Says that a thread has panicked and will not answer.
    pub fn fail(&self) {
        self.failed.store(true, SeqCst);
    }

    /// Waits for a job other than `done`.
    fn next_job(&self, done: u32) -> Option<u32> {
        let look = || match self.generation.load(SeqCst) {
            _ if self.closed.load(SeqCst) => Some(None),
            generation if generation == done => None,
            generation => Some(Some(generation)),
        };
        for _ in 0..SPINS {
            if let Some(found) = look() {
                return found;
            }
            spin_loop();
        }
        let mut guard = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        self.sleeping.fetch_add(1, SeqCst);
        let found = loop {
            if let Some(found) = look() {
                break found;
            }
            guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
        };
        self.sleeping.fetch_sub(1, SeqCst);
        found
    }

    /// Takes those of share `own` first.
    fn take_pieces(&self, job: Job, own: usize) {
        for share in (own..own + job.shares).map(|share| share % job.shares) {
            let Taken(taken) = &self.taken[share];
            let [first, end] = [share, share + 1].map(|share| (job.pieces * share).div_ceil(job.shares));
            while taken.load(SeqCst) < end - first {
                let piece = first + taken.fetch_add(1, SeqCst);
                if piece < end {
                    // SAFETY: the closure lives until the job has ended, which it has not while a thread is at a piece.
                    unsafe { (job.call)(job.closure, piece) };
                }
            }
        }
    }

    /// Says how many pieces of each of so many shares have been taken.
    fn set_taken(&self, shares: usize, pieces: usize) {
        self.taken[..shares].iter().for_each(|Taken(taken)| taken.store(pieces, SeqCst));
    }

    fn wake_all(&self) {
        if self.sleeping.load(SeqCst) > 0 {
            // Whoever has looked and not yet gone to sleep holds the lock.
            drop(self.sleepers.lock().unwrap_or_else(PoisonError::into_inner));
            self.wake.notify_all();
        }
    }

    /// Waits until the gate has nobody behind it. Nobody comes in any more, and a piece takes microseconds, so there is no need to
    /// sleep; where the system has taken a helper off its processor, this thread may lend it its own.
    fn wait_until_left(&self) {
        let mut looks = 0u64;
        while self.gate.load(SeqCst) != 0 {
            looks += 1;
            assert!(!self.failed.load(SeqCst) || cfg!(panic = "unwind"), "a thread of the pool has panicked");
            assert!(looks < MOST_LOOKS, "a thread of the pool does not answer");
            spin_loop();
            if looks.is_multiple_of(SPINS as u64) && cfg!(not(target_arch = "wasm32")) {
                std::thread::yield_now();
            }
        }
    }
}

impl Pool {
    /// Only the caller.
    pub fn alone() -> Self {
        Self::with(Shared::new(), 1, true)
    }

    /// The caller and threads of this process.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn new(threads: usize) -> Self {
        let shared = Shared::new();
        for _ in 1..threads {
            let shared = shared.clone();
            std::thread::spawn(move || shared.help());
        }
        Self::with(shared, threads, true)
    }

    /// The caller, and threads that others start and that call [`Shared::help`]: `threads` together, or fewer where fewer help.
    ///
    /// # Safety
    /// They must all be used by the same thread.
    #[cfg(target_arch = "wasm32")]
    pub unsafe fn of(shared: Arc<Shared>, threads: usize) -> Self {
        Self::with(shared, threads, false)
    }

    fn with(shared: Arc<Shared>, threads: usize, owner: bool) -> Self {
        Self { shared, threads: threads.max(1), worth_sharing: WORTH_SHARING, owner, not_sync: PhantomData }
    }

    /// Shares the smallest work too, so that tests see it shared.
    pub fn sharing_all(mut self) -> Self {
        self.worth_sharing = 0;
        self
    }

    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `work` on pieces of `length` values of `out`, each with its index. `operations` is about what that takes, in
    /// multiplications: what is done before another thread would have heard of it, the caller does alone.
    pub fn run<T: Send>(&self, out: &mut [T], length: usize, operations: usize, work: impl Fn(usize, &mut [T]) + Sync) {
        struct Base<T>(*mut T);
        // SAFETY: pieces do not overlap, and their values may go to other threads.
        unsafe impl<T: Send> Sync for Base<T> {}
        let (base, all, length) = (Base(out.as_mut_ptr()), out.len(), length.max(1));
        let base = &base;
        let threads = if operations < self.worth_sharing { 1 } else { self.threads };
        self.each(threads, all.div_ceil(length), move |piece| {
            let first = piece * length;
            // SAFETY: the piece is within `out`, which is borrowed until the end, and no other call gets this index.
            let values = unsafe { &mut *slice_from_raw_parts_mut(base.0.add(first), length.min(all - first)) };
            work(piece, values);
        });
    }

    /// Calls `work` once with each number below `pieces`, on so many threads.
    fn each<F: Fn(usize) + Sync>(&self, threads: usize, pieces: usize, work: F) {
        if threads == 1 || pieces <= 1 {
            (0..pieces).for_each(work);
            return;
        }
        unsafe fn call<F: Fn(usize)>(closure: *const (), piece: usize) {
            // SAFETY: `closure` is a reference to an F, which lives until the job has ended.
            unsafe { (*closure.cast::<F>())(piece) }
        }
        let shares = threads.min(MOST_SHARES);
        let job = Job { call: call::<F>, closure: (&raw const work).cast(), pieces, shares };
        let shared = &*self.shared;
        // SAFETY: the gate is shut and nobody is behind it: the last job has ended, and only this thread begins jobs.
        unsafe { *shared.job.get() = Some(job) };
        shared.set_taken(shares, 0);
        shared.most.store(threads as u32 - 1, SeqCst);
        shared.gate.fetch_or(OPEN, SeqCst);
        shared.generation.fetch_add(1, SeqCst);
        shared.wake_all();
        /// Ends the job also where a piece panics: helpers must not go on with what is gone.
        struct End<'a>(&'a Shared, usize);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                if std::thread::panicking() {
                    self.0.set_taken(self.1, usize::MAX / 2);
                }
                self.0.gate.fetch_and(!OPEN, SeqCst);
                self.0.wait_until_left();
            }
        }
        let end = End(shared, shares);
        shared.take_pieces(job, 0);
        drop(end);
        assert!(!shared.failed.load(SeqCst), "a thread of the pool has panicked");
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if self.owner {
            self.shared.closed.store(true, SeqCst);
            self.shared.wake_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::HashSet, time::Duration};

    #[test]
    fn every_piece_is_done_once_by_any_number_of_threads() {
        for threads in [1, 2, 3, 8, MOST_SHARES + 3] {
            let pool = Pool::new(threads);
            for (values, length) in [(0, 1), (1, 5), (7, 2), (1000, 3), (64, 64)] {
                for round in 0..50 {
                    let mut out = vec![0usize; values];
                    pool.run(&mut out, length, WORTH_SHARING, |piece, out| {
                        out.iter_mut().enumerate().for_each(|(i, value)| *value += piece * length + i + round);
                    });
                    let expected: Vec<usize> = (0..values).map(|i| i + round).collect();
                    assert_eq!(out, expected, "{threads} threads, {values} values by {length}");
                }
            }
        }
    }

    #[test]
    fn no_more_threads_than_a_pool_has_take_its_pieces() {
        let large = Pool::new(4);
        for threads in 1..4 {
            let small = Pool::with(large.shared.clone(), threads, false);
            let mut ids = vec![None; 64];
            small.run(&mut ids, 1, WORTH_SHARING, |_, id| {
                std::thread::sleep(Duration::from_millis(1));
                id[0] = Some(std::thread::current().id());
            });
            let ids: HashSet<_> = ids.into_iter().flatten().collect();
            assert!(ids.len() <= threads, "{} of {threads} threads", ids.len());
        }
    }

    #[test]
    fn helpers_that_have_gone_to_sleep_wake_again() {
        let pool = Pool::new(3);
        let mut first = None;
        for _ in 0..5 {
            std::thread::sleep(Duration::from_millis(20));
            let mut seen = vec![None; 3];
            // Each piece waits for the two others, which only helpers can do.
            let begun = AtomicUsize::new(0);
            pool.run(&mut seen, 1, WORTH_SHARING, |_, seen| {
                begun.fetch_add(1, SeqCst);
                while begun.load(SeqCst) < 3 {
                    spin_loop();
                }
                seen[0] = Some(std::thread::current().id());
            });
            assert!(seen[0] != seen[1] && seen[1] != seen[2] && seen[0] != seen[2]);
            assert_eq!(seen[0], Some(std::thread::current().id()));
            assert_eq!(
                *first.get_or_insert_with(|| seen.clone()),
                seen,
                "each thread has the share that it had before"
            );
        }
    }

    #[test]
    fn a_panic_in_a_piece_reaches_the_caller_whichever_thread_had_it() {
        // One of the caller's share, and one of the helper's.
        for panicking in [8, 40] {
            let pool = Pool::new(2);
            let mut out = vec![0; 64];
            let result = catch_unwind(AssertUnwindSafe(|| {
                pool.run(&mut out, 1, WORTH_SHARING, |piece, _| {
                    std::thread::sleep(Duration::from_millis(1));
                    assert!(piece != panicking);
                });
            }));
            assert!(result.is_err(), "piece {panicking}");
        }
    }
}
