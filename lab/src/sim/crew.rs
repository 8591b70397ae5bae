//! The threads that render. They live as long as the run, and not as long as a session: glibc keeps what a thread gave
//! back for whichever thread comes to the same part of its heap (an arena) next. With threads of their own for every
//! session one arena after the other came to keep a camera's 30 MB, and a run of many sessions grew for long.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{Builder, JoinHandle},
};

type Job = Box<dyn FnOnce() + Send>;

/// Threads that wait for work.
pub(super) struct Crew {
    /// Nobody sends any more when it is dropped.
    jobs: Option<mpsc::Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

/// Why work was not done.
#[derive(Debug, PartialEq)]
pub(super) enum Trouble<E> {
    /// It failed.
    Failed(E),
    /// It panicked; the thread is lost.
    Panicked,
}

impl Crew {
    pub(super) fn new(threads: usize) -> io::Result<Self> {
        let (send, receive) = mpsc::channel::<Job>();
        let mut crew = Self { jobs: Some(send), threads: Vec::with_capacity(threads) };
        let jobs = Arc::new(Mutex::new(receive));
        for n in 0..threads {
            let jobs = Arc::clone(&jobs);
            let work = move || {
                loop {
                    // A statement of its own: the lock is not held while the job is done.
                    let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(job) = job else { return };
                    job();
                }
            };
            crew.threads.push(Builder::new().name(format!("camera-{n}")).spawn(work)?);
        }
        Ok(crew)
    }

    /// Has `work` done for every number below `of`, as many at once as there are threads, and waits for it; what came
    /// of it is in order. After a failure nothing more is begun.
    pub(super) fn each<T, E>(
        &self,
        of: usize,
        work: impl Fn(usize) -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Vec<T>, Trouble<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let shared = Arc::new((work, AtomicBool::new(false)));
        let (done, results) = mpsc::channel();
        for n in 0..of {
            let (shared, done) = (Arc::clone(&shared), done.clone());
            let job = move || {
                let (work, failed) = &*shared;
                if failed.load(Ordering::Relaxed) {
                    return;
                }
                let result = work(n);
                failed.fetch_or(result.is_err(), Ordering::Relaxed);
                // What the work holds is let go before the results are whole.
                drop(shared);
                _ = done.send((n, result));
            };
            // Not sent when all threads are lost: then its result is missing.
            _ = self.jobs.as_ref().map(|jobs| jobs.send(Box::new(job)));
        }
        drop((shared, done));
        let mut results: Vec<_> = results.into_iter().collect();
        results.sort_by_key(|(n, _)| *n);
        let results: Result<Vec<T>, E> = results.into_iter().map(|(_, result)| result).collect();
        match results {
            Ok(all) if all.len() == of => Ok(all),
            Ok(_) => Err(Trouble::Panicked),
            Err(error) => Err(Trouble::Failed(error)),
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // One that panicked has said so, and its work is missing.
            _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::thread;

    #[test]
    fn work_is_done_in_order_by_the_same_threads() {
        let crew = Crew::new(2).unwrap();
        let mut ids = HashSet::new();
        for of in [1, 4, 0, 7] {
            let done = crew.each(of, |n| Ok::<_, ()>((n, thread::current().id()))).unwrap();
            assert!(done.iter().map(|(n, _)| *n).eq(0..of));
            ids.extend(done.into_iter().map(|(_, id)| id));
        }
        assert!(ids.len() <= 2 && !ids.contains(&thread::current().id()), "{ids:?}");
    }

    #[test]
    fn nothing_is_begun_after_a_failure() {
        let crew = Crew::new(1).unwrap();
        let last = Arc::new(Mutex::new(0));
        let seen = Arc::clone(&last);
        let done = crew.each(5, move |n| {
            *seen.lock().unwrap() = n;
            if n == 2 { Err("full") } else { Ok(()) }
        });
        assert_eq!((done, *last.lock().unwrap()), (Err(Trouble::Failed("full")), 2));
        assert_eq!(crew.each(1, Ok::<_, ()>), Ok(vec![0]), "the crew works on");
    }

    #[test]
    fn a_panic_is_told_and_nobody_waits() {
        let crew = Crew::new(2).unwrap();
        for _ in 0..3 {
            // At last no thread is left.
            let done = crew.each(2, |n| if n == 1 { panic!("as the test wants it") } else { Ok::<_, ()>(n) });
            assert_eq!(done, Err(Trouble::Panicked));
        }
    }
}
