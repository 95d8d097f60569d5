//! A thousand canaries as secrets: echoed in every way, and found nowhere.
//!
//! Each canary is a value that nothing else contains, with characters that encodings change. They are given in every
//! way that planrun knows; hosts print them as they are, in base64, hex, percent and JSON escapes, and in pieces. Then
//! everything that planrun shows, stores, logs and sends is searched for every form of each. One value that is no
//! secret is echoed next to them, and must be found: else a place was not searched.

mod forms;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use self::forms::{Canaries, Search, forms};
use crate::harness::{Planrun, eventually};
use crate::ssh::server::Server;
use crate::support::http;

/// The value that is no secret.
const CONTROL: &str = "control-canary-of-no-secret";

/// How many canaries come from each source.
const FILE: usize = 600;
const COMMAND: usize = 200;
const ENVIRONMENT: usize = 100;
const INVENTORY: usize = 60;
const LINES: usize = 39;
const TYPED: usize = 1;

const ALL: usize = FILE + COMMAND + ENVIRONMENT + INVENTORY + LINES + TYPED;

/// How many are echoed by one command, and by how many commands.
const EACH: usize = 100;
const PARTS: usize = ALL.div_ceil(EACH);

const PLAN: &str = r#"version: 1
name: canaries
summary: Echoes every secret, in every form
hosts: all
inputs:
  of_file: {type: list, sensitive: true}
  of_command: {type: list, sensitive: true}
  of_environment: {type: list, sensitive: true}
  of_inventory: {type: list, sensitive: true}
  key: {type: file, sensitive: true}
  shown: {type: string}
probes:
  echoed: {run: [cat, OUT/probed], parse: lines}
steps:
  - id: receive
    shell: |
      cat > OUT/received
      env > OUT/environment
      cat /proc/[0-9]*/cmdline > OUT/arguments 2>/dev/null || true
      echo {{ shown }}; printf '%s' "$OWN"; sleep 0.5
    stdin: "{% for one in of_file %}{{ one }}\n{% endfor %}{% for one in of_command %}{{ one }}\n{% endfor %}{% for one in of_environment %}{{ one }}\n{% endfor %}"
    env: {OWN: "{% for one in of_inventory %}{{ one }}\n{% endfor %}"}
    idempotent: true
    rollback: {none: it is a test}
  - id: uploaded
    upload: {content: "{% for one in of_inventory %}{{ one }}\n{% endfor %}", to: OUT/uploaded}
    rollback: {none: it is a test}
  - {id: put, upload: {from: "{{ key }}", to: OUT/put}, rollback: {none: it is a test}}
  - {id: echo, for_each: [PARTS], shell: "echo {{ shown }}; cat OUT/echo-{{ item }}", read_only: true}
  - id: tools
    shell: |
      base64 < OUT/received; base64 -w 0 < OUT/put; od -An -v -tx1 < OUT/uploaded
      while IFS= read -r part; do
        if [ -z "$part" ]; then echo; else printf %s "$part"; fi
      done < OUT/halves
      cat OUT/borders >&2
    read_only: true
  - id: fails
    shell: "cat OUT/probed >&2; echo {{ shown }} >&2; false"
    read_only: true
    on_failure: {continue: it is a test}
  - {id: noted, set: {seen: echoed}}
  - {id: ask, approve: "{{ shown }} {{ noted.seen | join(' ') }}"}
  - id: claim
    assert: {nothing is echoed: 'echoed | length == 0'}
"#;

/// A desk with a plan, its secrets, and what its hosts print.
struct Desk {
    planrun: Planrun,
    /// What is not searched: the sources of secrets, and what hosts know.
    folder: TempDir,
    canaries: Canaries,
    search: Search,
    /// Receives notifications.
    web: http::Server,
}

impl Desk {
    /// Makes a desk of which a run echoes so many parts of all canaries.
    fn new(parts: usize) -> Self {
        let canaries = Canaries::new(ALL, LINES + TYPED);
        let search = Search::new(&canaries.0, CONTROL);
        let folder = tempfile::tempdir().unwrap();
        let web = http::Server::start(Some("200 OK"));
        let mut desk = Self { planrun: Planrun::new(), folder, canaries, search, web };
        let all = desk.canaries.0.clone();
        let (file, rest) = all.split_at(FILE);
        let (command, rest) = rest.split_at(COMMAND);
        let (environment, rest) = rest.split_at(ENVIRONMENT);
        let (inventory, rest) = rest.split_at(INVENTORY);
        let list = |values: &[String]| serde_json::to_string(values).unwrap();
        desk.write("inputs.json", &format!("{{\"of_file\": {}}}", list(file)));
        desk.write("command", &list(command));
        desk.planrun.environment("PLANRUN_INPUT_OF_ENVIRONMENT", Some(&list(environment)));
        desk.write("key", &(rest[..LINES].join("\n") + "\n"));
        let own = format!("of_inventory: {}", list(inventory));
        let here = "hosts: {here: {planrun_connection: local}}";
        desk.write("hosts.yaml", &format!("all: {{{here}, vars: {{{own}}}}}\n"));
        let config = desk.path("config/planrun");
        fs::create_dir_all(&config).unwrap();
        let cat = format!(
            "secrets:\n  of_command: [sh, -c, 'cat {}; sleep 0.3']\n",
            desk.name("command")
        );
        let notify = format!(
            "notify:\n  - command: [sh, -c, 'cat >> {}']\n  - webhook: {}\n",
            desk.name("notified"),
            desk.web.address
        );
        fs::write(config.join("config.yaml"), cat + &notify).unwrap();
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(config.join("config.yaml"), private).unwrap();
        desk.planrun.environment("XDG_CONFIG_HOME", Some(&desk.name("config")));
        desk.echoes(parts);
        desk
    }

    /// Writes what the hosts print.
    fn echoes(&self, parts: usize) {
        let all = &self.canaries.0[..ALL - TYPED];
        for (number, part) in all.chunks(EACH).enumerate() {
            let lines: Vec<String> = part.iter().flat_map(|canary| forms(canary)).collect();
            self.write(&format!("echo-{number}"), &lines.join("\n"));
        }
        let few = &all[..3];
        let lines: Vec<String> = few.iter().flat_map(|canary| forms(canary)).collect();
        self.write("probed", &format!("{CONTROL}\n{}", lines.join("\n")));
        let mut halves = String::new();
        for (at, canary) in all.iter().enumerate().step_by(5) {
            for form in forms(canary) {
                let middle =
                    form.char_indices().nth(1 + at % (form.chars().count() - 1)).unwrap().0;
                let (first, second) = form.split_at(middle);
                halves.extend([first, "\n", second, "\n\n"]);
            }
        }
        self.write("halves", &halves);
        // Where readers cut: at the sizes of buffers and of pipes.
        let mut borders = String::new();
        for (canary, border) in all.iter().zip([4096, 8192, 16_384, 32_768, 65_536]) {
            let room = border - borders.len() - canary.len() / 2;
            borders += &(".".repeat(room) + canary);
        }
        self.write("borders", &borders);
        let parts: Vec<String> = (0..parts).map(|part| part.to_string()).collect();
        let out = self.folder.path().display().to_string();
        let plan = PLAN.replace("OUT", &out).replace("PARTS", &parts.join(", "));
        self.write("plan.yaml", &plan);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn words<'a>(&self, verb: &'a str, more: &[&'a str]) -> Vec<String> {
        let mut words = vec![verb.to_owned(), self.name("plan.yaml")];
        words.extend(["--inventory".to_owned(), self.name("hosts.yaml")]);
        words.extend(["--inputs".to_owned(), self.name("inputs.json")]);
        words.extend(["--set".to_owned(), format!("key={}", self.name("key"))]);
        words.extend(["--set".to_owned(), format!("shown={CONTROL}")]);
        words.extend(more.iter().map(|word| (*word).to_owned()));
        words
    }

    #[track_caller]
    fn run(&self, verb: &str, more: &[&str]) -> crate::harness::Ended {
        let words = self.words(verb, more);
        self.planrun.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Holds that no form of a canary is in a place, and that the control canary is.
    #[track_caller]
    fn hides(&self, place: &str, bytes: &[u8]) {
        self.search.hides(place, bytes);
        assert!(Search::has_control(bytes, CONTROL), "{place} does not have the control canary");
    }
}

/// What all processes of this machine show of themselves.
#[derive(Default)]
struct Seen {
    arguments: BTreeSet<Vec<u8>>,
    /// Without those of planrun, to which one source of secrets belongs.
    environments: BTreeSet<Vec<u8>>,
}

impl Seen {
    fn sample(&mut self) {
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
            self.arguments.insert(read("cmdline"));
            // A process that planrun has just forked, or that becomes planrun meanwhile, has its environment.
            let is_other = || {
                let program = fs::read_link(entry.path().join("exe"));
                program.is_ok_and(|it| it != Path::new(env!("CARGO_BIN_EXE_planrun")))
            };
            if is_other() {
                let environment = read("environ");
                if is_other() {
                    self.environments.insert(environment);
                }
            }
        }
    }
}

/// Watches the processes of this machine while some work is done.
fn watched<T>(work: impl FnOnce() -> T) -> (T, Seen) {
    let is_over = AtomicBool::new(false);
    let sample = || {
        let mut seen = Seen::default();
        while !is_over.load(Ordering::Relaxed) {
            seen.sample();
            thread::sleep(Duration::from_millis(5));
        }
        seen
    };
    thread::scope(|scope| {
        let seen = scope.spawn(sample);
        let done = work();
        is_over.store(true, Ordering::Relaxed);
        (done, seen.join().unwrap())
    })
}

fn joined(lines: BTreeSet<Vec<u8>>) -> Vec<u8> {
    lines.into_iter().collect::<Vec<_>>().join(&b'\n')
}

#[test]
fn a_thousand_canaries_are_found_in_no_place_where_planrun_writes() {
    let mut desk = Desk::new(PARTS);
    desk.planrun.environment("PLANRUN_LOG", Some("trace"));
    let log = desk.planrun.path("log").display().to_string();
    let (applied, processes) = watched(|| desk.run("apply", &["-v", "--log", &log]));
    applied.exits(6);
    desk.hides("the file of the log", &fs::read(&log).unwrap());
    desk.hides("the lines of the run", applied.stdout.as_bytes());
    desk.hides("the list of processes", &joined(processes.arguments));
    // What the environment gave is not given to a process that planrun starts.
    let environments = joined(processes.environments);
    let own = &desk.canaries.0[FILE + COMMAND..][..ENVIRONMENT];
    Search::new(own, CONTROL).hides("the environments of processes", &environments);
    let locks = desk.planrun.locks().display().to_string();
    assert!(Search::has_control(&environments, &locks), "no process of planrun was seen");
    desk.hides("the list of processes of the host", &fs::read(desk.path("arguments")).unwrap());
    desk.planrun.environment("PLANRUN_LOG", None);
    desk.hides("a notification", &fs::read(desk.path("notified")).unwrap());
    let posted: Vec<String> = desk.web.received().into_iter().map(|one| one.body).collect();
    desk.hides("the notifications of a webhook", posted.join("\n").as_bytes());

    // They were sent: a plan that gets no secret hides it well.
    let sent = desk.canaries.0[..FILE + COMMAND + ENVIRONMENT].join("\n") + "\n";
    assert!(fs::read_to_string(desk.path("received")).unwrap() == sent);
    let uploaded = fs::read_to_string(desk.path("uploaded")).unwrap();
    assert!(
        uploaded == desk.canaries.0[FILE + COMMAND + ENVIRONMENT..][..INVENTORY].join("\n") + "\n"
    );

    assert_eq!(fs::read(desk.path("put")).unwrap(), fs::read(desk.path("key")).unwrap());

    for format in ["human", "json", "markdown", "html"] {
        let shown = desk.planrun.run(&["show", "last", "--format", format]);
        desk.hides(&format!("show --format {format}"), shown.exits(0).stdout.as_bytes());
    }
    for words in [&["runs"][..], &["runs", "--format", "json"]] {
        let listed = desk.planrun.run(words);
        desk.hides(&words.join(" "), listed.exits(0).all().as_bytes());
    }
    desk.planrun.run(&["resolve", "last", "--as", "approve"]).exits(0);
    let resumed = desk.planrun.run(&[
        "resume",
        "last",
        "--inputs",
        &desk.name("inputs.json"),
        "--output",
        "json",
    ]);
    desk.hides("the events of a resume", resumed.exits(1).all().as_bytes());
    let replayed = desk.planrun.run_json(&["watch", "last"]);
    desk.hides("the events of a run", replayed.all().as_bytes());

    for format in ["human", "json", "markdown"] {
        let previewed = desk.run("preview", &["--format", format]);
        desk.hides(&format!("preview --format {format}"), previewed.all().as_bytes());
    }
    let saved = desk.planrun.path("saved").display().to_string();
    desk.run("preview", &["-o", &saved]).exits(0);
    desk.hides("a saved preview", &fs::read(&saved).unwrap());
    let applied = desk.planrun.run(&["apply", &saved, "--yes", "-vv"]);
    desk.hides("a run of a saved preview, and its log", applied.exits(6).all().as_bytes());
    let looked = desk.run("look", &["echoed", "--limit", "here", "--expr", "echoed | join(' ')"]);
    desk.hides("look", looked.exits(0).all().as_bytes());
    let explained = desk.run("explain", &[]);
    desk.hides("explain", explained.exits(0).all().as_bytes());

    let disk = desk.planrun.disk();
    for (path, bytes) in &disk {
        desk.search.hides(&path.display().to_string(), bytes);
    }
    let stored = disk.iter().any(|(_, bytes)| Search::has_control(bytes, CONTROL));
    assert!(stored, "the store does not have the control canary");
}

#[test]
fn canaries_are_not_found_on_a_host_nor_in_what_is_shown_of_it() {
    let Some(server) = Server::start("canaries") else { return };
    let desk = Desk::new(2);
    let own = &desk.canaries.0[FILE + COMMAND + ENVIRONMENT..][..INVENTORY];
    let inputs = fs::read_to_string(desk.path("inputs.json")).unwrap();
    let more = format!(", \"of_inventory\": {}}}", serde_json::to_string(own).unwrap());
    desk.write("inputs.json", &(inputs.trim_end_matches('}').to_owned() + &more));
    desk.write("hosts.yaml", &server.inventory_with_key());

    let (applied, processes) = watched(|| desk.run("apply", &["--output", "json"]));

    desk.hides("the events of the run", applied.exits(6).all().as_bytes());
    desk.hides("the list of processes", &joined(processes.arguments));
    assert!(fs::read(desk.path("received")).unwrap().len() > 10_000);
    let records = server.path("state");
    let printed =
        |path: &Path| path.to_str().is_some_and(|it| it.contains(".out") || it.contains(".err"));
    eventually("what commands printed is removed", || {
        !files(&records).iter().any(|it| printed(it))
    });
    let left = files(&records);
    assert!(!left.is_empty());
    for path in left {
        desk.search.hides(&path.display().to_string(), &fs::read(&path).unwrap_or_default());
    }
    for (path, bytes) in desk.planrun.disk() {
        desk.search.hides(&path.display().to_string(), &bytes);
    }
    desk.search.hides("the log of the server", server.read("log").as_bytes());
}

/// Returns all files in a folder and below.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).map(|entries| entries.flatten().collect::<Vec<_>>());
    let paths = entries.unwrap_or_default().into_iter().map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

const TYPED_PLAN: &str = r#"version: 1
name: typed
hosts: all
inputs:
  typed: {type: string, sensitive: true, ask: true}
steps:
  - id: use
    shell: "cat > OUT/received; echo CONTROL >&2; cat OUT/forms >&2; cat OUT/received >&2; false"
    stdin: "{{ typed }}"
    idempotent: true
    on_failure: {continue: it is a test}
    rollback: {none: it is a test}
"#;

#[test]
fn a_canary_that_is_typed_is_not_found_on_the_terminal() {
    let (planrun, folder) = (Planrun::new(), tempfile::tempdir().unwrap());
    let at = folder.path();
    let all = Canaries::new(ALL, LINES + TYPED).0;
    let canary = &all[ALL - TYPED];
    let search = Search::new(&all[ALL - TYPED..], CONTROL);
    let write = |name: &str, text: &str| fs::write(at.join(name), text).unwrap();
    write("forms", &(forms(canary).join("\n") + "\n"));
    write(
        "plan.yaml",
        &TYPED_PLAN.replace("OUT", at.to_str().unwrap()).replace("CONTROL", CONTROL),
    );
    write("hosts.yaml", "all: {hosts: {here: {planrun_connection: local}}}\n");
    let shown = || fs::read(at.join("shown")).unwrap_or_default();

    let at_terminal =
        "exec script -qfec 'exec planrun apply plan.yaml -i hosts.yaml --yes' shown <&3";
    let line = format!("cd {}; mkfifo typed; exec 3<>typed; {at_terminal}", at.display());
    let going = planrun.begin_line(&line);
    eventually("it asks", || Search::has_control(&shown(), "type the secret"));
    let mut fifo = fs::File::options().write(true).open(at.join("typed")).unwrap();
    fifo.write_all(format!("{canary}\n").as_bytes()).unwrap();
    going.end();

    assert_eq!(fs::read_to_string(at.join("received")).unwrap(), *canary);
    search.hides("the terminal", &shown());
    assert!(Search::has_control(&shown(), CONTROL), "{}", String::from_utf8_lossy(&shown()));
    for (path, bytes) in planrun.disk() {
        search.hides(&path.display().to_string(), &bytes);
    }
}
