//! `sclients-bench http-processing` against a small server of std: every request is answered, and
//! the program's counts are the server's.

mod driver;

use driver::{Then, complaint, free_address, run, said, server};
use std::net::TcpListener;

#[test]
fn every_get_and_post_is_answered_and_counted_as_the_server_does() {
    let (address, seen) = server(Then::GoesOn);
    let url = format!("http://{address}/");
    let done = run(&["http-processing", "--get", "2", "--post", "3", "--requests", "200", &url]);
    assert!(done.status.success() && said(&done).contains("status 200: 200"), "{}", said(&done));
    let seen = seen.lock().unwrap();
    assert_eq!(seen.values().sum::<u64>(), 200);
    assert!(seen["GET"] > 0 && seen["POST"] > 0);
}

#[test]
fn a_connection_that_the_server_ends_after_an_answer_is_replaced() {
    let (address, seen) = server(Then::Closes);
    let url = format!("http://{address}/");
    let done = run(&["http-processing", "--get", "2", "--post", "1", "--requests", "50", &url]);
    assert!(done.status.success() && said(&done).contains("status 200: 50"), "{}", said(&done));
    assert!(!said(&done).contains("failed"), "{}", said(&done));
    assert_eq!(seen.lock().unwrap().values().sum::<u64>(), 50);
}

#[test]
fn a_refused_connection_is_a_failure_with_its_reason() {
    let url = format!("http://{}/", free_address());
    let done = run(&["http-processing", "--get", "1", "--post", "0", &url]);
    assert!(said(&done).contains("failed, connection refused: 1"), "{}", said(&done));
    assert_eq!(done.status.code(), Some(1));
}

#[test]
fn a_server_that_never_answers_does_not_keep_it() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let words = ["http-processing", "--get", "1", "--post", "1", "--duration", "20ms", &url];
    let done = run(&words);
    assert!(said(&done).contains("unanswered when the time was up: 2"), "{}", said(&done));
    assert_eq!(done.status.code(), Some(1));
}

#[test]
fn a_mistake_is_one_line_and_exit_code_2() {
    let done = run(&["http-processing", "--got", "1", "http://127.0.0.1:1/"]);
    assert_eq!(done.status.code(), Some(2));
    assert_eq!(complaint(&done).lines().count(), 1);
}
