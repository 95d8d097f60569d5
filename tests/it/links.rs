//! Connections that are bad: reset after any byte, slow, silent, or a black hole in one direction. Whatever
//! they do, an effect takes effect once, or nothing was sent and the run says so.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::{Ended, Planrun};
use crate::ssh::server::Server;

/// What happens to the first connection that comes. All later ones are good.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// It is reset after so many bytes, in both directions together.
    Reset(usize),
    /// It passes one byte a second.
    Trickle,
    /// Nothing ever comes from the server.
    Silent,
    /// Once the first effect took effect, no byte comes through to the server, or from it.
    Hole { to_server: bool },
}

/// Starts a proxy before a server, and returns its port. `lines` is what the effects write.
fn proxy((address, port): (&str, u16), manner: Manner, lines: &str) -> u16 {
    let server = SocketAddr::new(address.parse().unwrap(), port);
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let lines = lines.to_owned();
    thread::spawn(move || {
        for (number, near) in listener.incoming().map_while(Result::ok).enumerate() {
            let Ok(far) = TcpStream::connect(server) else { continue };
            let passed = Arc::new(AtomicUsize::new(0));
            for (from, to, to_server) in [(&near, &far, true), (&far, &near, false)] {
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let passed = Arc::clone(&passed);
                let manner = (number == 0).then_some(manner);
                let lines = lines.clone();
                thread::spawn(move || pass_on(from, to, to_server, &passed, manner, &lines));
            }
        }
    });
    port
}

fn pass_on(
    mut from: TcpStream,
    mut to: TcpStream,
    to_server: bool,
    passed: &AtomicUsize,
    manner: Option<Manner>,
    lines: &str,
) {
    let has_begun = || fs::metadata(lines).is_ok_and(|file| file.len() > 0);
    let most = if manner == Some(Manner::Trickle) { 1 } else { 16 * 1024 };
    let mut piece = vec![0; most];
    while let Ok(mut count @ 1..) = from.read(&mut piece) {
        let before = passed.fetch_add(count, Ordering::SeqCst);
        match manner {
            Some(Manner::Reset(after)) if before + count >= after => {
                count = after.saturating_sub(before);
                to.write_all(&piece[..count]).ok();
                break;
            }
            Some(Manner::Trickle) => thread::sleep(Duration::from_secs(1)),
            Some(Manner::Silent) if !to_server => continue,
            Some(Manner::Hole { to_server: lost }) if lost == to_server && has_begun() => continue,
            _ => {}
        }
        if to.write_all(&piece[..count]).is_err() {
            break;
        }
    }
    to.shutdown(Shutdown::Both).ok();
    from.shutdown(Shutdown::Both).ok();
}

/// Applies a plan of three effects over a connection.
fn apply(server: &Server, manner: Manner, timeout: u32) -> (Planrun, Ended) {
    let planrun = Planrun::new();
    let file = planrun.file("lines", "");
    let port = proxy(server.address(), manner, &file);
    let mut plan =
        "version: 1\nname: links\nhosts: all\ndefaults: {timeout: 200s}\nsteps:\n".to_owned();
    for step in ["a", "b", "c"] {
        writeln!(
            plan,
            "  - {{id: {step}, shell: 'sleep 0.1; echo {step} >> {file}', on_unknown: ask, rollback: {{none: a line}}}}"
        )
        .unwrap();
    }
    let plan = planrun.file("plan.yaml", plan);
    let (address, own) = server.address();
    let key = fs::read_to_string(server.path("one.pub")).unwrap();
    let known = planrun.file("known", format!("[{address}]:{port} {key}"));
    let inventory = server
        .inventory_with_key()
        .replace(server.path("known_hosts").to_str().unwrap(), &known)
        .replace(&format!("ansible_port: {own}"), &format!("ansible_port: {port}"))
        .replace("ansible_timeout: 60", &format!("ansible_timeout: {timeout}"));
    let inventory = planrun.file("inventory.yaml", inventory);
    let ended = planrun.run(&["apply", &plan, "-i", &inventory]);
    (planrun, ended)
}

/// Checks that each effect took effect once, or that nothing was sent.
#[track_caller]
fn is_whole_or_refused((planrun, ended): &(Planrun, Ended), what: &str) -> bool {
    let lines = fs::read_to_string(planrun.path("lines")).unwrap();
    let (expected, is_refused) = match ended.status {
        Some(4) => ("", true),
        _ => ("a\nb\nc\n", false),
    };
    assert_eq!(lines, expected, "{what}\n{}", ended.stderr);
    assert!(is_refused || ended.status == Some(0), "{what}\n{}", ended.stderr);
    is_refused
}

#[test]
fn a_reset_after_any_byte_loses_and_doubles_nothing() {
    let Some(server) = Server::start("reset") else { return };
    let loops: usize = std::env::var("PLANRUN_LOOPS").map_or(200, |text| text.parse().unwrap());
    let (mut refused, mut whole) = (0, 0);
    // Two runs at a time: most of them wait.
    let points: Vec<usize> =
        (0..loops / 4).map(|number| 1 + number * 13_000 / (loops / 4)).collect();
    for pair in points.chunks(2) {
        thread::scope(|scope| {
            let runs: Vec<_> = pair
                .iter()
                .map(|after| (after, scope.spawn(|| apply(&server, Manner::Reset(*after), 60))))
                .collect();
            for (after, run) in runs {
                let is_refused = is_whole_or_refused(
                    &run.join().unwrap(),
                    &format!("reset after {after} bytes"),
                );
                if is_refused { refused += 1 } else { whole += 1 }
            }
        });
    }
    // In the login, and after it.
    assert!(refused > 0 && whole > 0, "{refused} refused, {whole} whole");
}

#[test]
fn a_connection_of_one_byte_a_second_is_given_up_and_nothing_is_sent() {
    let Some(server) = Server::start("trickle") else { return };
    let run = apply(&server, Manner::Trickle, 3);
    assert!(is_whole_or_refused(&run, "one byte a second"));
    run.1.says("accepts connections, but the login did not start");
}

#[test]
fn a_server_that_shows_no_banner_is_given_up_and_nothing_is_sent() {
    let Some(server) = Server::start("silent") else { return };
    let run = apply(&server, Manner::Silent, 3);
    assert!(is_whole_or_refused(&run, "no banner"));
    run.1.says("accepts connections, but the login did not start");
}

#[test]
fn a_black_hole_in_either_direction_is_noticed_and_the_run_goes_on() {
    let Some(server) = Server::start("hole") else { return };
    thread::scope(|scope| {
        for to_server in [true, false] {
            let server = &server;
            scope.spawn(move || {
                let run = apply(server, Manner::Hole { to_server }, 60);
                let what = format!("a black hole, to the server: {to_server}");
                assert!(!is_whole_or_refused(&run, &what), "{what}");
                assert!(run.0.kept("last").questions().is_empty(), "{what}");
            });
        }
    });
}
