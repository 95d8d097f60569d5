//! Pages in a real browser: what they log and request, what they look like on paper.
//!
//! `tests/browser/install` installs Chromium without a window. All its requests go to a proxy of the test, which
//! notes and refuses them. A page that is wrong on purpose shows that the test would find it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use regex::Regex;

use crate::harness::{Planrun, program, root};
use crate::pages::hostile_run;

/// A4 in points, and the margins of the style sheet, less a little for rounding.
const WIDTH: f64 = 595.0;
const HEIGHT: f64 = 842.0;
const MARGIN: f64 = 40.0;

/// What a browser did with a page.
#[derive(Debug, Default)]
struct Visit {
    console: Vec<String>,
    requests: Vec<String>,
}

/// Notes the first line of each request, and refuses it.
fn proxy() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::<Mutex<Vec<String>>>::default();
    let noted = Arc::clone(&requests);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut line = String::new();
            let _gone = BufReader::new(&stream).read_line(&mut line);
            noted.lock().unwrap().push(line.trim().to_owned());
            let _gone = stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        }
    });
    (port, requests)
}

/// Opens a page with these options.
#[track_caller]
fn open(planrun: &Planrun, page: &Path, options: &[&str]) -> Visit {
    let (port, requests) = proxy();
    let mut chromium = program("chromium");
    chromium.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]);
    chromium.args(["--disable-dev-shm-usage", "--no-first-run", "--disable-extensions"]);
    chromium.args(["--disable-background-networking", "--disable-component-update"]);
    chromium.args(["--disable-sync", "--disable-domain-reliability", "--disable-default-apps"]);
    chromium.args(["--enable-logging=stderr", "--proxy-bypass-list=<-loopback>"]);
    chromium.arg(format!("--proxy-server=127.0.0.1:{port}"));
    chromium.arg(format!("--user-data-dir={}", planrun.path("profile").display()));
    chromium.args(options).arg(format!("file://{}", page.display()));
    let ended = chromium.output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let log = String::from_utf8_lossy(&ended.stderr).into_owned();
    let console = log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    // The browser itself may ask its vendor for something; no page has these names.
    let own = Regex::new(r"google|gvt1|chromium").unwrap();
    let mut requests = requests.lock().unwrap().clone();
    requests.retain(|request| !own.is_match(request));
    Visit { console, requests }
}

/// Prints a page, and checks that each page of paper is A4 with every word within the margins. Returns the text.
#[track_caller]
fn printed(planrun: &Planrun, page: &Path) -> String {
    let pdf = planrun.path("page.pdf");
    let option = format!("--print-to-pdf={}", pdf.display());
    let visit = open(planrun, page, &[&option, "--no-pdf-header-footer"]);
    assert!(visit.console.is_empty() && visit.requests.is_empty(), "{visit:?}");
    let boxes = program("pdftotext").args(["-bbox"]).arg(&pdf).arg("-").output().unwrap();
    let boxes = String::from_utf8(boxes.stdout).unwrap();
    let paper = Regex::new(r#"<page width="([0-9.]+)" height="([0-9.]+)""#).unwrap();
    let number = |text: &str| text.parse::<f64>().unwrap();
    let mut pages = 0;
    for found in paper.captures_iter(&boxes) {
        let (width, height) = (number(&found[1]), number(&found[2]));
        assert!((width - WIDTH).abs() < 2.0 && (height - HEIGHT).abs() < 2.0, "{}", &found[0]);
        pages += 1;
    }
    assert!(pages > 0, "{boxes}");
    let word = Regex::new(
        r#"<word xMin="([-0-9.]+)" yMin="([-0-9.]+)" xMax="([-0-9.]+)" yMax="([-0-9.]+)">"#,
    );
    let mut words = 0;
    for found in word.unwrap().captures_iter(&boxes) {
        let (left, top, right, bottom) =
            (number(&found[1]), number(&found[2]), number(&found[3]), number(&found[4]));
        let is_within = left >= MARGIN && right <= WIDTH - MARGIN;
        assert!(is_within && top >= MARGIN && bottom <= HEIGHT - MARGIN, "{}", &found[0]);
        words += 1;
    }
    assert!(words > 20, "{boxes}");
    let text = program("pdftotext").arg("-layout").arg(&pdf).arg("-").output().unwrap();
    String::from_utf8(text.stdout).unwrap()
}

/// Shows a page at a width, and returns what came of it.
#[track_caller]
fn seen(planrun: &Planrun, page: &Path, width: u32, name: &str) -> Visit {
    let picture = planrun.path(name);
    let size = format!("--window-size={width},1600");
    let visit = open(planrun, page, &[&format!("--screenshot={}", picture.display()), &size]);
    assert!(std::fs::metadata(&picture).unwrap().len() > 5_000, "{name}");
    visit
}

/// Checks a page at two widths and on paper.
#[track_caller]
fn is_fine(planrun: &Planrun, page: &str) -> String {
    let page = Path::new(page);
    for (width, name) in [(480, "narrow.png"), (1280, "wide.png")] {
        let visit = seen(planrun, page, width, name);
        assert!(visit.console.is_empty() && visit.requests.is_empty(), "{visit:?}");
    }
    printed(planrun, page)
}

#[test]
#[ignore = "needs chromium: tests/run installs it"]
fn a_page_that_runs_a_script_or_asks_a_host_would_be_found() {
    let planrun = Planrun::new();
    let wrong = "<script>console.error('no')</script><img src='http://192.0.2.9/x.png'>";
    let page = planrun.file("wrong.html", wrong);
    let visit = open(&planrun, Path::new(&page), &["--dump-dom"]);
    assert!(visit.console.iter().any(|line| line.contains("no")), "{visit:?}");
    assert!(visit.requests.iter().any(|line| line.contains("192.0.2.9")), "{visit:?}");
}

#[test]
#[ignore = "needs chromium: tests/run installs it"]
fn a_run_that_printed_hostile_text_is_a_quiet_page() {
    let planrun = Planrun::new();
    let page = planrun.file("run.html", hostile_run(&planrun, "html"));
    let text = is_fine(&planrun, &page);
    for part in ["alert(1)", "<script>document.title", "\\x1b[2J"] {
        assert!(text.replace('\n', "").contains(part), "{part}: {text}");
    }
}

#[test]
#[ignore = "needs chromium: tests/run installs it"]
fn a_run_of_the_shipped_plan_is_a_quiet_page() {
    let planrun = Planrun::new();
    planrun.run(&["apply", "plans/obox-restart.yaml", "-i", "demo"]).exits(0);
    let html = planrun.run(&["show", "--format", "html"]).exits(0).stdout.clone();
    let page = planrun.file("run.html", html);
    let text = is_fine(&planrun, &page);
    assert!(text.contains("Timeline") && text.contains("198.51.100.3"), "{text}");
}

#[test]
#[ignore = "needs chromium: tests/run installs it"]
fn the_shipped_procedure_is_a_quiet_page() {
    let planrun = Planrun::new();
    let plan = root().join("plans/obox-restart.yaml");
    let page = planrun.path("plan.html");
    let words = ["explain", plan.to_str().unwrap(), "--format", "html", "--output"];
    planrun.run(&[&words[..], &[page.to_str().unwrap()]].concat()).exits(0);
    let text = is_fine(&planrun, page.to_str().unwrap());
    assert!(text.contains("Done when") && text.contains("Point of no return"), "{text}");
}
