//! Commands that are almost certainly mistakes.

use planrun::diagnostic::{Code, Diagnostic, Diagnostics};
use planrun::plan;
use planrun::source::Sources;

/// Returns what is reported with a code about a plan.
fn reported(plan: &str, code: Code) -> Option<Diagnostic> {
    let mut sources = Sources::default();
    let id = sources.add("plan.yaml", plan);
    let mut found = Diagnostics::default();
    plan::read(&sources, id, &mut found);
    found.sorted().into_iter().find(|one| one.code == code).cloned()
}

/// Returns a plan with a script corrected.
fn corrected(script: &str) -> Option<String> {
    let script = script.replace('\n', "\n      ");
    let plan = format!("version: 1\nname: p\nhosts: all\nsteps:\n  - shell: |\n      {script}\n");
    reported(&plan, Code::TypographicCharacter).map(|one| one.fixes[0].apply(&plan))
}

#[test]
fn typographic_characters_are_replaced() {
    for (text, wanted) in [
        ("“echo hello”", "\"echo hello\""),
        ("systemctl –no-pager status", "systemctl --no-pager status"),
        ("ls –l −a", "ls -l -a"),
        ("echo ‘two words’; echo “a”", "echo 'two words'; echo \"a\""),
        ("A=“b c” true", "A=\"b c\" true"),
        ("echo\u{a0}hello\u{200b}", "echo hello"),
    ] {
        let fixed = corrected(text);
        assert!(
            fixed.as_ref().is_some_and(|fixed| fixed.ends_with(&format!(" {wanted}\n"))),
            "{text}: {fixed:?}"
        );
    }
}

#[test]
fn text_in_quotes_and_in_words_is_left_alone() {
    for text in [
        "echo \"“a” – it’s\"",
        "echo it’s",
        "echo a – b",
        "true # “a” –no",
        "cat <<END\n“a”\nEND",
        "echo a–b \\“ é",
        "echo {{ “a” }}",
    ] {
        assert_eq!(corrected(text), None, "{text}");
    }
}

/// Returns the label of a probe that changes the host.
fn effect(line: &str) -> Option<String> {
    let plan = format!(
        "version: 1\nname: p\nhosts: all\nprobes:\n  p:\n    shell: |-\n      {line}\nsteps:\n  \
         - assert: {{it is: p.exit == 0}}\n"
    );
    Some(reported(&plan, Code::ProbeChanges)?.primary?.text)
}

#[test]
fn only_a_probe_that_changes_something_is_reported() {
    for (line, what) in [
        ("systemctl stop nginx", "systemctl stop"),
        ("systemctl --no-block restart x", "systemctl restart"),
        ("service nginx reload", "service reload"),
        ("ls /srv | tee /tmp/x", "tee"),
        ("/bin/rm -f x", "rm"),
        ("date > /tmp/x", "> /tmp/x"),
        ("sed -i s/a/b/ x", "sed -i"),
        ("find /tmp -name x -delete", "find ... -delete"),
        ("if true; then reboot; fi", "reboot"),
    ] {
        assert_eq!(effect(line), Some(format!("runs `{what}`")), "{line}");
    }
    for line in [
        "systemctl is-active nginx",
        "systemctl status stop",
        "service nginx status",
        "cat x 2>&1",
        "cat x >/dev/null 2>/dev/null",
        "date > \"$copy\"",
        "echo 'a > b'",
        "sed -n s/a/b/p x",
        "test 1 -gt 0",
        "echo rm",
        "awk '$1 > 5'",
        "find /tmp -name rm",
        "apt-cache policy x",
        "# a > b",
        "apt list --installed",
    ] {
        assert_eq!(effect(line), None, "{line}");
    }
}
