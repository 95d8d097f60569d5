//! Large plans and inventories, made line by line: like real ones, of any size.

use std::fmt::Write as _;

/// Steps of one stage of [`plan`]: with steps of blocks and rollbacks.
const STAGE: usize = 10;

/// Makes a valid plan with this many steps: probes, named expressions, conditions, blocks, rollbacks.
pub(crate) fn plan(steps: usize) -> String {
    let stages = (steps / STAGE).max(1);
    let mut text = String::from(
        "version: 1\nname: made\nsummary: A plan that is as long as it is asked to be\n\
         hosts: web\nserial: [1, 3]\ndefaults: {become: true, timeout: 1m, within: 20s}\n\n\
         inputs:\n  port: {type: int, default: 80}\n  mode: {type: enum, of: [quick, slow], default: quick}\n",
    );
    for n in 0..stages.div_ceil(10) {
        line(&mut text, &format!("  unit_{n}: {{type: string, default: \"web@{n}.service\"}}"));
    }
    text.push_str("\nprobes:\n");
    for n in 0..stages {
        let unit = n / 10;
        line(
            &mut text,
            &format!(
                "  state_{n}: {{run: \"systemctl is-active {{{{ unit_{unit} }}}}\", exit_codes: any, parse: text}}"
            ),
        );
        line(
            &mut text,
            &format!(
                "  table_{n}:\n    run: list-of -p {{{{ port }}}} {n}\n    parse: {{format: tsv, key: name, types: {{users: int}}}}"
            ),
        );
    }
    text.push_str("\nlet:\n");
    for n in 0..stages {
        line(
            &mut text,
            &format!("  serving_{n}: state_{n} == \"active\" and idle_{n} | length == 0"),
        );
        line(
            &mut text,
            &format!("  idle_{n}: {{from: table_{n}, where: row.users == 0 and row.key != \"\"}}"),
        );
    }
    text.push_str("\npreflight:\n");
    for n in 0..stages.div_ceil(10) {
        line(&mut text, &format!("  it serves part {n}: serving_{n}"));
    }
    text.push_str("\nsteps:\n");
    for n in 0..stages {
        stage(&mut text, n);
    }
    text
}

/// Writes ten steps: seven of the plan's own, in part in a block, and three of rollbacks.
fn stage(text: &mut String, n: usize) {
    let unit = n / 10;
    line(
        text,
        &format!(
            "  - id: note_{n}
    name: Note how part {n} is used
    set: {{users: table_{n} | length}}
  - id: cut_{n}
    name: Take part {n} out of service
    when: mode == \"slow\" or note_{n}.users > 0
    requires: {{it serves: serving_{n}}}
    block:
      - id: stop_{n}
        name: Stop it
        run: systemctl stop {{{{ unit_{unit} }}}}
        done_when: state_{n} == \"inactive\"
        rollback: {{run: \"systemctl start {{{{ unit_{unit} }}}}\", done_when: serving_{n}}}
      - id: clear_{n}
        name: Clear its cache
        shell: |
          cd /var/cache/part
          rm -f {n}.*
        idempotent: true
        rollback: {{none: it fills by itself}}
      - wait: {{until: state_{n} == \"inactive\", timeout: 5m, every: 5s}}
    rollback:
      requires: {{it serves: serving_{n}}}
      run: count-users {{{{ note_{n}.users }}}}
      done_when: table_{n} | length >= note_{n}.users
  - id: start_{n}
    name: Start part {n} again
    run: [systemctl, start, \"{{{{ unit_{unit} }}}}\"]
    done_when: serving_{n}
    timeout: 2m
    retry: {{attempts: 2, delay: 5s}}
    rollback:
      run: systemctl stop {{{{ unit_{unit} }}}}
      done_when: state_{n} != \"active\"
  - assert: {{part {n} serves: serving_{n} and table_{n} is defined}}"
        ),
    );
}

/// Makes a YAML inventory of so many hosts: a third in ranges, the others each for itself with
/// variables, all in groups of a tree.
pub(crate) fn inventory_yaml(hosts: usize) -> String {
    let singles = hosts - hosts / 3;
    let mut text = String::from(
        "all:\n  vars: {planrun_connection: local, site: north, tags: [a, b]}\n  children:\n    web:\n      children:\n",
    );
    for rack in 0..singles.div_ceil(100) {
        let _ = writeln!(
            text,
            "        rack{rack}:\n          vars: {{rack: {rack}, ansible_port: 2222}}\n          hosts:"
        );
        for host in rack * 100..(rack * 100 + 100).min(singles) {
            let _ = writeln!(
                text,
                "            web{host}:\n              ansible_host: {}\n              weight: {}\n              note: host {host} of the web",
                address(host),
                host % 7
            );
        }
    }
    text.push_str("    mail:\n      vars: {kind: mail}\n      hosts:\n");
    ranges(hosts / 3, |range| {
        let _ = writeln!(text, "        mail{range}: {{ansible_user: root}}");
    });
    text
}

/// Makes an INI inventory of the same kind.
pub(crate) fn inventory_ini(hosts: usize) -> String {
    let singles = hosts - hosts / 3;
    let mut text = String::new();
    for rack in 0..singles.div_ceil(100) {
        let _ = writeln!(text, "[rack{rack}]");
        for host in rack * 100..(rack * 100 + 100).min(singles) {
            let _ = writeln!(
                text,
                "web{host} ansible_host={} weight={} note='host {host} of the web'",
                address(host),
                host % 7
            );
        }
        let _ = writeln!(text, "\n[rack{rack}:vars]\nrack={rack}\nansible_port=2222\n");
    }
    text.push_str("[web:children]\n");
    for rack in 0..singles.div_ceil(100) {
        let _ = writeln!(text, "rack{rack}");
    }
    text.push_str("\n[mail]\n");
    ranges(hosts / 3, |range| {
        let _ = writeln!(text, "mail{range} ansible_user=root");
    });
    text.push_str("\n[all:vars]\nplanrun_connection=local\nsite=north\n");
    text
}

/// Gives ranges of a hundred hosts.
fn ranges(hosts: usize, mut with: impl FnMut(String)) {
    for first in (0..hosts).step_by(100) {
        with(format!("[{first}:{}]", (first + 99).min(hosts - 1)));
    }
}

fn address(host: usize) -> String {
    format!("127.{}.{}.{}", host / 65536 % 256, host / 256 % 256, host % 256)
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}
