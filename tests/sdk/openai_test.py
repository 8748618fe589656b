"""The official OpenAI SDK for Python, unmodified, with imagioo's address and key in its environment."""

import asyncio
import base64
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
import uuid

from openai import (
    APIError,
    APIStatusError,
    APITimeoutError,
    AsyncOpenAI,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    OpenAI,
    RateLimitError,
)
from openai.types import ImagesResponse
from PIL import Image

SMALL = "256x256"
client = OpenAI()


def opened(b64_json):
    return Image.open(io.BytesIO(base64.b64decode(b64_json)))


def png(image):
    file = io.BytesIO()
    image.save(file, format="PNG")
    return ("picture.png", file.getvalue(), "image/png")


def drawn(prompt):
    """A small picture as pixels."""
    answer = client.images.generate(model="sketch", prompt=prompt, size=SMALL)
    return opened(answer.data[0].b64_json).convert("RGB")


def imagioo(*arguments):
    """What the command line says, as JSON."""
    said = subprocess.run([os.environ["IMAGIOO"], *arguments, "--json"], capture_output=True, check=True)
    return json.loads(said.stdout)


def left_half(width, height):
    """A mask that is transparent on the left, where to edit."""
    mask = Image.new("RGBA", (width, height), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, width // 2, height))
    return mask


class Images(unittest.TestCase):
    def test_several_images_of_a_size_and_format(self):
        before = imagioo("balance")["available"]
        answer = client.images.generate(
            model="sketch", prompt="a red fox", n=2, size="512x512", output_format="webp", output_compression=80,
            quality="auto", background="auto", moderation="auto", user="somebody",
        )
        self.assertTrue(answer._request_id.startswith("req_"))
        self.assertEqual((len(answer.data), answer.size, answer.output_format), (2, "512x512", "webp"))
        for image in answer.data:
            picture = opened(image.b64_json)
            self.assertEqual((picture.format, picture.size), ("WEBP", (512, 512)))
        self.assertEqual((answer.usage.total_tokens, answer.usage.credits), (0, 2))
        self.assertLess(abs(time.time() - answer.created), 120)
        self.assertEqual(imagioo("balance")["available"], before - 2)

    def test_an_edit_changes_what_the_mask_leaves_transparent_and_nothing_else(self):
        original = drawn("a red fox at night")
        answer = client.images.edit(
            model="sketch", image=png(original), mask=png(left_half(256, 256)), prompt="a sunny day", size=SMALL
        )
        edited = opened(answer.data[0].b64_json).convert("RGB")
        right, left = (130, 0, 256, 256), (0, 0, 126, 256)
        self.assertEqual(edited.crop(right).tobytes(), original.crop(right).tobytes())
        self.assertNotEqual(edited.crop(left).tobytes(), original.crop(left).tobytes())

    def test_an_edit_takes_several_pictures_and_a_variation_one(self):
        pictures = [png(drawn("a red fox")), png(drawn("a boat"))]
        edited = client.images.edit(model="sketch", image=pictures, prompt="both in the snow", n=2)
        self.assertEqual(len(edited.data), 2)
        varied = client.images.create_variation(model="sketch", image=pictures[0], n=2, response_format="b64_json")
        first, second = (opened(image.b64_json).tobytes() for image in varied.data)
        self.assertNotEqual(first, second)

    def test_a_stream_shows_partial_images_before_the_last_one(self):
        stream = client.images.generate(
            model="sketch", prompt="a red fox", size=SMALL, stream=True, partial_images=2
        )
        *partials, last = list(stream)
        # A busy machine may skip one; the last image never waits for them.
        self.assertIn(len(partials), (1, 2))
        self.assertEqual({event.type for event in partials}, {"image_generation.partial_image"})
        self.assertEqual([event.partial_image_index for event in partials], list(range(len(partials))))
        sides = [opened(event.b64_json).width for event in partials]
        self.assertTrue(sides == sorted(set(sides)) and sides[-1] <= 256, sides)
        self.assertEqual((last.type, last.size), ("image_generation.completed", SMALL))
        self.assertEqual((opened(last.b64_json).size, last.usage.credits), ((256, 256), 1))

    def test_the_stream_of_an_edit(self):
        picture = png(drawn("a red fox"))
        # A busy machine may skip the draft, for the last image never waits for it; it does not always.
        for _ in range(10):
            stream = client.images.edit(
                model="sketch", image=picture, prompt="in the snow", stream=True, partial_images=1
            )
            *partials, last = [event.type for event in stream]
            self.assertEqual(last, "image_edit.completed")
            if partials:
                break
        self.assertEqual(partials, ["image_edit.partial_image"])

    def test_a_failure_within_a_stream_is_an_error_of_the_sdk(self):
        stream = client.images.generate(model="broken", prompt="a red fox", stream=True, partial_images=1)
        with self.assertRaises(APIError) as failed:
            list(stream)
        self.assertEqual(failed.exception.code, "provider_unavailable", failed.exception)
        self.assertTrue(failed.exception.message)

    def test_an_edit_in_json_names_its_pictures(self):
        picture = base64.b64encode(png(drawn("a red fox"))[1]).decode()
        body = {
            "model": "sketch", "prompt": "in the snow", "size": SMALL, "input_fidelity": "low",
            "images": [{"image_url": f"data:image/png;base64,{picture}"}],
        }
        answer = client.post("/images/edits", body=body, cast_to=ImagesResponse)
        self.assertEqual(opened(answer.data[0].b64_json).size, (256, 256))

    def test_the_asynchronous_client(self):
        async def both():
            async with AsyncOpenAI() as other:
                wanted = [
                    other.images.generate(model="sketch", prompt=prompt, size=SMALL) for prompt in ("a fox", "a boat")
                ]
                return await asyncio.gather(*wanted)

        first, second = asyncio.run(both())
        self.assertNotEqual(first.data[0].b64_json, second.data[0].b64_json)


class Durability(unittest.TestCase):
    def test_a_repeated_key_is_the_same_image(self):
        key = {"Idempotency-Key": str(uuid.uuid4())}
        raw = client.images.with_raw_response
        first, second = (
            raw.generate(model="sketch", prompt="a red fox", size=SMALL, extra_headers=key) for _ in range(2)
        )
        self.assertEqual(first.headers["x-imagioo-generation"], second.headers["x-imagioo-generation"])
        self.assertEqual(first.parse().data[0].b64_json, second.parse().data[0].b64_json)
        with self.assertRaises(ConflictError) as refused:
            client.images.generate(model="sketch", prompt="a cat", size=SMALL, extra_headers=key)
        self.assertEqual(refused.exception.code, "idempotency_key_reused")

    def test_who_gives_up_waiting_finds_the_image_in_the_history(self):
        prompt = f"a fox {uuid.uuid4()}"
        with self.assertRaises(APITimeoutError):
            hasty = client.with_options(timeout=0.6, max_retries=0)
            hasty.images.generate(model="sketch", prompt=prompt, size=SMALL)
        deadline, mine = time.monotonic() + 60, []
        while not mine or mine[0]["state"] not in ("succeeded", "failed", "cancelled"):
            self.assertLess(time.monotonic(), deadline, mine)
            mine = [one for one in imagioo("list")["generations"] if one["prompt"] == prompt]
        self.assertEqual([(one["state"], one["charge"]) for one in mine], [("succeeded", 1)])


class Refusals(unittest.TestCase):
    def refused(self, kind, code, **parameters):
        with self.assertRaises(kind) as refused:
            client.images.generate(**{"model": "sketch", "prompt": "a fox", **parameters})
        self.assertEqual(refused.exception.code, code)
        self.assertTrue(refused.exception.request_id.startswith("req_"))
        return refused.exception

    def test_each_has_the_exception_that_the_sdk_has_for_it(self):
        self.assertEqual(self.refused(BadRequestError, "unsupported_value", n=9).param, "n")
        self.assertEqual(self.refused(BadRequestError, "unsupported_value", size="7x7").param, "size")
        self.assertEqual(self.refused(BadRequestError, "unknown_parameter", style="vivid").param, "style")
        self.assertEqual(self.refused(BadRequestError, "unsupported_value", response_format="url").param, "response_format")
        with self.assertRaises(BadRequestError) as faithful:
            client.images.edit(
                model="sketch", image=png(drawn("a red fox")), prompt="in the snow", input_fidelity="high"
            )
        self.assertEqual(faithful.exception.param, "input_fidelity")
        self.assertEqual(self.refused(NotFoundError, "model_not_found", model="dall-e-3").param, "model")
        poor = self.refused(RateLimitError, "insufficient_quota", model="dear")
        self.assertEqual(poor.type, "insufficient_quota")
        self.assertEqual(poor.response.request.headers["x-stainless-retry-count"], "0", "the SDK must not try again")

    def test_a_wrong_key(self):
        with self.assertRaises(AuthenticationError) as refused:
            OpenAI(api_key="img_live_nonsense").models.list()
        self.assertEqual(refused.exception.code, "invalid_api_key")

    def test_a_picture_that_is_too_large(self):
        large = ("large.png", bytes(21 * 1024 * 1024), "image/png")
        with self.assertRaises(APIStatusError) as refused:
            client.images.edit(model="sketch", image=large, prompt="a fox")
        self.assertEqual((refused.exception.status_code, refused.exception.code), (413, "request_too_large"))

    def test_a_picture_that_is_none(self):
        with self.assertRaises(BadRequestError) as refused:
            client.images.edit(model="sketch", image=("fox.png", b"<html>", "image/png"), prompt="a fox")
        self.assertEqual((refused.exception.code, refused.exception.param), ("invalid_image_file", "image"))


class Readme(unittest.TestCase):
    def test_its_program_works(self):
        readme = (pathlib.Path(__file__).parents[2] / "README.md").read_text()
        program = textwrap.dedent(readme.split("```python\n")[1].split("  ```")[0])
        program = program.replace("http://127.0.0.1:7420/v1", os.environ["OPENAI_BASE_URL"])
        program = program.replace("img_live_…", os.environ["OPENAI_API_KEY"])
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-c", program], cwd=folder, check=True)
            self.assertEqual(Image.open(f"{folder}/fox.png").size, (512, 512))


class Models(unittest.TestCase):
    def test_they_are_listed_and_shown(self):
        ids = [model.id for model in client.models.list()]
        self.assertTrue({"sketch", "dear"} <= set(ids), ids)
        self.assertEqual(client.models.retrieve("sketch").owned_by, "sketch")
        with self.assertRaises(NotFoundError):
            client.models.retrieve("dall-e-3")


if __name__ == "__main__":
    unittest.main()
