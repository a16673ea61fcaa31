//! Signals that end the program: SIGTERM, which service managers and containers send, and Ctrl-C.

use std::io;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::thread;

use tokio::runtime;

use crate::guard::Guard;
use crate::health::report;

/// The telemetry that a signal shuts down.
static WATCHED: Mutex<Option<Guard>> = Mutex::new(None);
/// Held during a shutdown, so that a signal does not end the program before it is finished.
static SHUTDOWN: Mutex<()> = Mutex::new(());

/// Completes when the program receives SIGTERM or Ctrl-C. Elsewhere than on Unix, only Ctrl-C.
///
/// For servers that finish the requests in progress before they end. Call
/// [`Guard::shutdown`](crate::Guard::shutdown) when they have finished. From the first call on, the
/// signals no longer end the program by themselves. Never completes if the signals cannot be
/// received.
///
/// # Panics
///
/// Panics outside of a tokio runtime with an IO driver.
///
/// ```no_run
/// # async fn serve_until(stop: impl Future<Output = ()>) {}
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let telemetry = chatlas::otel::init()?;
/// serve_until(chatlas::otel::shutdown_signal()).await;
/// telemetry.shutdown()?;
/// # Ok(())
/// # }
/// ```
pub async fn shutdown_signal() {
    match Signals::listen() {
        Ok(mut signals) => {
            signals.receive().await;
        }
        Err(_) => std::future::pending().await,
    }
}

/// Shuts the telemetry down and ends the program when it receives a signal.
pub(crate) fn shut_down_on_signal(guard: Guard) -> io::Result<()> {
    static THREAD: OnceLock<Result<(), io::ErrorKind>> = OnceLock::new();
    let before = watched().replace(guard);
    drop(before);
    THREAD.get_or_init(|| start_thread().map_err(|error| error.kind())).map_err(io::Error::from)
}

/// Runs a shutdown, which a signal does not interrupt.
pub(crate) fn during_shutdown<T>(shut_down: impl FnOnce() -> T) -> T {
    let _shutdown = SHUTDOWN.lock().unwrap_or_else(PoisonError::into_inner);
    shut_down()
}

/// Forgets the telemetry that has been shut down.
pub(crate) fn unwatch() {
    let watched = watched().take();
    drop(watched);
}

fn watched() -> MutexGuard<'static, Option<Guard>> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the thread that receives signals. It runs until the program ends: the signals no longer
/// end the program by themselves.
fn start_thread() -> io::Result<()> {
    let (sender, listening) = mpsc::channel();
    let work = move || {
        let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = sender.send(Err(error));
                return;
            }
        };
        runtime.block_on(async {
            let mut signals = match Signals::listen() {
                Ok(signals) => signals,
                Err(error) => {
                    let _ = sender.send(Err(error));
                    return;
                }
            };
            let _ = sender.send(Ok(()));
            let status = signals.receive().await;
            let guard = watched().take();
            if let Some(Err(error)) = guard.map(Guard::shutdown) {
                report(&error);
            }
            // The program may be shutting down by itself.
            during_shutdown(|| std::process::exit(status));
        });
    };
    thread::Builder::new().name("chatlas-otel-signal".to_owned()).spawn(work)?;
    listening.recv().unwrap_or_else(|_| Err(io::Error::other("the thread ended")))
}

/// The signals that end the program.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for a signal, and returns the exit status that a shell reports for it.
    #[cfg(unix)]
    async fn receive(&mut self) -> i32 {
        std::future::poll_fn(|context| {
            if self.terminate.poll_recv(context).is_ready() {
                std::task::Poll::Ready(128 + 15)
            } else {
                self.interrupt.poll_recv(context).map(|_| 128 + 2)
            }
        })
        .await
    }

    #[cfg(not(unix))]
    #[allow(clippy::unnecessary_wraps)] // as on Unix
    fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn receive(&mut self) -> i32 {
        match tokio::signal::ctrl_c().await {
            Ok(()) => 128 + 2,
            Err(_) => std::future::pending().await,
        }
    }
}
