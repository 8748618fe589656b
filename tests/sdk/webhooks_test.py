"""What a receiver sees that verifies with the library of Standard Webhooks."""

import json
import os
import queue
import subprocess
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

PATIENCE = 60


def imagioo(*arguments: str) -> dict:
    """The JSON answer of a command."""
    done = subprocess.run([os.environ["IMAGIOO"], *arguments, "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"imagioo {arguments}: {done.stderr}")
    return json.loads(done.stdout)


class Receiver(ThreadingHTTPServer):
    """Keeps what it is sent, and says yes."""

    def __init__(self) -> None:
        self.requests: queue.Queue = queue.Queue()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    def next(self) -> tuple[dict, bytes]:
        return self.requests.get(timeout=PATIENCE)


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.requests.put((dict(self.headers), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class WebhooksTest(unittest.TestCase):
    def setUp(self) -> None:
        self.receiver = Receiver()
        threading.Thread(target=self.receiver.serve_forever, daemon=True).start()
        self.addCleanup(self.receiver.server_close)
        self.addCleanup(self.receiver.shutdown)
        added = imagioo("webhooks", "add", self.receiver.url)
        self.name, self.secret = added["endpoint"]["name"], added["secret"]
        self.addCleanup(imagioo, "webhooks", "remove", self.name)

    def test_a_test_event_verifies_and_a_changed_one_does_not(self) -> None:
        delivery = imagioo("webhooks", "test", self.name)
        self.assertEqual(delivery["state"], "delivered")
        headers, body = self.receiver.next()
        event = Webhook(self.secret).verify(body, headers)
        self.assertEqual(event["type"], "webhook.test")
        self.assertEqual(event["data"]["name"], self.name)
        self.assertEqual(headers["webhook-id"], delivery["name"].rsplit("/", 1)[1])
        with self.assertRaises(WebhookVerificationError):
            Webhook(self.secret).verify(body + b" ", headers)
        with self.assertRaises(WebhookVerificationError):
            Webhook("whsec_" + "A" * 44).verify(body, headers)

    def test_after_a_rotation_the_old_and_the_new_secret_verify(self) -> None:
        rotated = imagioo("webhooks", "rotate", self.name)
        imagioo("webhooks", "test", self.name)
        headers, body = self.receiver.next()
        for secret in (self.secret, rotated["secret"]):
            self.assertEqual(Webhook(secret).verify(body, headers)["type"], "webhook.test")

    def test_a_finished_generation_is_told_and_told_again(self) -> None:
        created = imagioo("generate", "a fox who waits for the post", "--no-wait")
        headers, body = self.receiver.next()
        event = Webhook(self.secret).verify(body, headers)
        self.assertEqual(event["type"], "generation.succeeded")
        self.assertEqual(event["data"]["name"], created["name"])
        self.assertEqual(event["data"]["state"], "GENERATION_STATE_SUCCEEDED")
        self.assertTrue(event["data"]["images"][0]["name"].startswith("images/img_"))
        # That it arrived is written down after our answer; before, there is nothing to replay.
        until = time.monotonic() + PATIENCE
        log = []
        while not log or log[0]["state"] != "delivered":
            self.assertLess(time.monotonic(), until, log)
            log = imagioo("webhooks", "deliveries", self.name)["deliveries"]
        self.assertEqual([entry["event_type"] for entry in log], ["generation.succeeded"])
        imagioo("webhooks", "replay", log[0]["name"])
        again, body = self.receiver.next()
        self.assertEqual(again["webhook-id"], headers["webhook-id"])
        Webhook(self.secret).verify(body, again)


if __name__ == "__main__":
    unittest.main()
