//! What a script uses that `sh` does not have.

use planrun::template::posix::*;

fn foreign_in(script: &str) -> Vec<(&str, &'static str)> {
    foreign(script).into_iter().map(|one| (&script[one.range], one.what)).collect()
}

#[test]
fn what_only_bash_knows_is_found() {
    for (script, found) in [
        ("if [[ $a == b ]]; then :; fi", ("[[", "[[")),
        ("set -euo pipefail\nmake | tee log", ("pipefail", "pipefail")),
        ("function f { :; }", ("function", "function")),
        ("a=(1 2)\necho", ("=(", "an array")),
        ("echo \"${a[0]}\"", ("${", "an array element")),
        ("echo ${a//x/y}", ("${", "a replacement in `${ }`")),
        ("cat <<<x", ("<<<", "a here-string")),
        ("diff <(a) b", ("<(", "a process substitution")),
        ("make &>log", ("&>", "`&>`")),
        ("source /etc/env", ("source", "source")),
        ("[ \"$a\" == b ]", ("==", "== in [ ]")),
        ("x=1; ((x > 0)) && echo", ("((", "((")),
        ("echo $'a'", ("$'", "`$'...'`")),
        ("a+=b", ("+=", "`+=`")),
    ] {
        assert_eq!(foreign_in(script), [found], "{script}");
    }
}

#[test]
fn what_sh_knows_is_not() {
    for script in [
        "echo '[[ a ]]' \"function f\" # declare x=(1)",
        "cat <<E\n[[ a ]]\n${a[0]}\nE\n",
        "[ \"$a\" = '==' ] && x=$((1 + (2 * 3)))",
        "echo \"${a:-b}\" ${a#x} ${a%%/*} $$ \"$@\"",
        "f() { local x=1; }; case $1 in [[:alpha:]]*) ;; esac",
        "grep -E 'a|b' <f >g 2>&1 || exit 1",
        "x=$(cat f); y=$( (a; b) )",
        "set -eu; test \"$a\" = b",
        "awk '$1 == \"a\" {x[$2] += 1}'",
        "[ $x ] || echo {{ a == 'b' }}",
    ] {
        assert_eq!(foreign_in(script), [], "{script}");
    }
}

#[test]
fn a_pipe_that_hides_a_failure_is_found() {
    for (script, found) in [
        ("make | tee log", "make"),
        ("set -e\ncd /srv && make all 2>&1 | tee log", "make all 2>&1"),
        ("if true; then mysqldump {{ db }} | gzip >x; fi", "mysqldump {{ db }}"),
        ("a || b | c", "b"),
    ] {
        assert_eq!(hidden(script).map(|range| &script[range]), Some(found), "{script}");
    }
    for script in [
        "make",
        "echo x | mail root",
        "printf '%s' x | sudo tee f",
        "a || b",
        "x=$(a | b)",
        "if a | grep -q b; then c; fi",
        "while ! a | b; do c; done",
        "echo 'a | b'",
        "# a | b",
        "case $x in a | b) c;; esac",
        "echo >| f",
        "for x in a; do b; done | sort",
    ] {
        assert_eq!(hidden(script).map(|range| &script[range]), None, "{script}");
    }
}
