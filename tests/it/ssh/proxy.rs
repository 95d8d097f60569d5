//! A TCP proxy before an OpenSSH server: it cuts connections, and the server continues.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// How much a login takes at most, in bytes: one that is always cut never comes to an end.
const LOGIN: usize = 6 * 1024;

/// Listens at the address of a server, at another port.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    open: Arc<Mutex<Vec<Passed>>>,
}

/// One side of a connection, and how much came through it.
struct Passed {
    stream: TcpStream,
    bytes: Arc<AtomicUsize>,
}

impl Passed {
    fn is_logged_in(&self) -> bool {
        self.bytes.load(Ordering::SeqCst) >= LOGIN
    }

    fn is_cut(&self) -> bool {
        // It may have ended by itself.
        self.stream.shutdown(Shutdown::Both).ok();
        true
    }
}

impl Proxy {
    pub(crate) fn start((address, port): (&str, u16)) -> Self {
        let server = SocketAddr::new(address.parse().unwrap(), port);
        let listener = TcpListener::bind((address, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let open = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&open);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(server) else { continue };
                let bytes = Arc::new(AtomicUsize::new(0));
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let (stream, passed) = (from.try_clone().unwrap(), Arc::clone(&bytes));
                    all.lock().unwrap().push(Passed { stream, bytes: Arc::clone(&bytes) });
                    thread::spawn(move || pass_on(from, to, &passed));
                }
            }
        });
        Self { port, open }
    }

    /// Cuts the connections whose login is over, and returns whether there were any.
    pub(crate) fn cut(&self) -> usize {
        let mut open = self.open.lock().unwrap();
        let before = open.len();
        open.retain(|one| !one.is_logged_in() || !one.is_cut());
        usize::from(open.len() < before)
    }

    /// Whether there was a login that was not cut.
    pub(crate) fn has_login(&self) -> bool {
        self.open.lock().unwrap().iter().any(Passed::is_logged_in)
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, passed: &AtomicUsize) {
    let mut piece = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut piece) {
        passed.fetch_add(count, Ordering::SeqCst);
        if to.write_all(&piece[..count]).is_err() {
            break;
        }
    }
    to.shutdown(Shutdown::Both).ok();
}
