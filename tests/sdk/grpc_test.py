"""gRPC clients that know nothing of imagioo but its address: Python's, which learns messages by reflection, and `buf curl`."""

import base64
import hashlib
import io
import json
import os
import subprocess
import unittest
import uuid

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status
from PIL import Image

ADDRESS = os.environ["IMAGIOO_ADDRESS"]
KEY = os.environ["OPENAI_API_KEY"]
PATIENCE = 60
SMALL = {"size": "256x256"}


class Server:
    """Calls by name, with messages as dictionaries."""

    def __init__(self):
        self.channel = grpc.insecure_channel(ADDRESS)
        self.known = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = descriptor_pool.DescriptorPool(self.known)

    def call(self, method, message=None, token=KEY):
        """The answer, or an iterator of answers where the method streams."""
        service, name = method.split("/")
        found = self.pool.FindServiceByName(f"imagioo.{service}").FindMethodByName(name)
        question, answer = (message_factory.GetMessageClass(kind) for kind in (found.input_type, found.output_type))
        make = self.channel.unary_stream if found.server_streaming else self.channel.unary_unary
        stub = make(
            f"/imagioo.{service}/{name}",
            request_serializer=question.SerializeToString,
            response_deserializer=answer.FromString,
        )
        credentials = [("authorization", f"Bearer {token}")] if token else []
        return stub(json_format.ParseDict(message or {}, question()), metadata=credentials, timeout=PATIENCE)


def details(error):
    """The details of a failed call that are of a kind."""
    kinds = {"ErrorInfo": error_details_pb2.ErrorInfo, "BadRequest": error_details_pb2.BadRequest}
    found = {}
    for detail in rpc_status.from_call(error).details:
        kind = kinds.get(detail.type_url.rsplit(".", 1)[-1])
        if kind:
            found[kind.DESCRIPTOR.name] = kind()
            detail.Unpack(found[kind.DESCRIPTOR.name])
    return found


class Python(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.channel.close)

    def refused(self, *arguments, **named):
        with self.assertRaises(grpc.RpcError) as refused:
            self.server.call(*arguments, **named)
        return refused.exception

    def test_reflection_lists_what_users_may_call_and_nothing_internal(self):
        services = set(self.server.known.get_services())
        for name in ("GenerationService", "ImageService", "ModelService", "PresetService", "WebhookService"):
            self.assertIn(f"imagioo.generation.v1.{name}", services)
        self.assertIn("imagioo.account.v1.AccountService", services)
        self.assertIn("imagioo.billing.v1.BillingService", services)
        self.assertFalse([name for name in services if "Admin" in name or "Lease" in name or "Hold" in name], services)
        with self.assertRaisesRegex(grpc.RpcError, "not found"):
            self.server.pool.FindServiceByName("imagioo.generation.v1.LeaseService")
        # What the details of an error are is told, too.
        self.assertIn("reason", self.server.pool.FindMessageTypeByName("google.rpc.ErrorInfo").fields_by_name)

    def test_an_account_is_made_and_signed_in_to(self):
        who = {"email": f"{uuid.uuid4()}@example.com", "password": f"correct horse {uuid.uuid4()}"}
        self.server.call("account.v1.AccountService/SignUp", who, token=None)
        session = self.server.call("account.v1.AccountService/SignIn", who, token=None).session
        me = self.server.call("account.v1.AccountService/GetMe", token=session.access_token)
        self.assertEqual(me.user.email, who["email"])
        wrong = self.refused("account.v1.AccountService/SignIn", {**who, "password": "wrong horse"}, token=None)
        self.assertEqual(details(wrong)["ErrorInfo"].reason, "WRONG_CREDENTIALS")

    def test_an_image_is_asked_for_watched_and_downloaded(self):
        request = {"model": "models/sketch", "prompt": "a red fox", "settings": SMALL, "requestId": str(uuid.uuid4())}
        made = self.server.call("generation.v1.GenerationService/CreateGeneration", request).generation
        steps = list(self.server.call("generation.v1.GenerationService/WatchGeneration", {"name": made.name}))
        seen = [step.generation for step in steps if step.HasField("generation")]
        versions = [generation.version for generation in seen]
        self.assertEqual(versions, sorted(versions))
        last = json_format.MessageToDict(seen[-1])
        self.assertEqual((last["state"], last["charge"]), ("GENERATION_STATE_SUCCEEDED", "1"))
        again = self.server.call("generation.v1.GenerationService/CreateGeneration", request).generation
        self.assertEqual(again.name, made.name)

        image = seen[-1].images[0]
        parts = list(self.server.call("generation.v1.ImageService/DownloadImage", {"name": image.name}))
        self.assertEqual(parts[0].image.name, image.name)
        file = b"".join(part.data for part in parts)
        self.assertEqual((len(file), hashlib.sha256(file).digest()), (image.size_bytes, image.sha256))
        self.assertEqual(Image.open(io.BytesIO(file)).size, (256, 256))

    def test_a_refusal_says_what_is_wrong_in_details_that_everybody_can_read(self):
        request = {"model": "models/sketch", "prompt": "a red fox", "settings": {"size": "7x7"}}
        error = self.refused("generation.v1.GenerationService/CreateGeneration", request)
        found = details(error)
        self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertEqual((found["ErrorInfo"].reason, found["ErrorInfo"].domain), ("SETTING_UNSUPPORTED", "imagioo"))
        fields = [violation.field for violation in found["BadRequest"].field_violations]
        self.assertEqual(fields, ["settings.size"])
        error = self.refused("generation.v1.ModelService/ListModels", token="img_live_nonsense")
        self.assertEqual(error.code(), grpc.StatusCode.UNAUTHENTICATED)
        self.assertEqual(details(error)["ErrorInfo"].reason, "API_KEY_INVALID")


class Buf(unittest.TestCase):
    def curl(self, method, message, *options):
        """What `buf curl` says: the answer, or the error that it exits with."""
        command = [os.environ["BUF"], "curl", "--data", json.dumps(message), "--header", f"authorization: Bearer {KEY}"]
        url = f"http://{ADDRESS}/imagioo.generation.v1.{method}"
        done = subprocess.run([*command, *options, url], capture_output=True, text=True, timeout=PATIENCE)
        return done.returncode, json.loads(done.stdout or done.stderr)

    GRPC = ("--protocol", "grpc", "--http2-prior-knowledge")

    def test_models_are_listed(self):
        code, answer = self.curl("ModelService/ListModels", {}, *self.GRPC)
        self.assertEqual(code, 0, answer)
        self.assertIn("models/sketch", [model["name"] for model in answer["models"]])

    def test_an_image_is_created_from_json_and_waited_for(self):
        request = {"model": "models/sketch", "prompt": "a red fox", "settings": SMALL, "waitSeconds": 30}
        code, answer = self.curl("GenerationService/CreateGeneration", request, *self.GRPC)
        self.assertEqual(code, 0, answer)
        self.assertEqual(answer["generation"]["state"], "GENERATION_STATE_SUCCEEDED")
        self.assertEqual(len(base64.b64decode(answer["generation"]["images"][0]["sha256"])), 32)

    def test_a_refusal_is_read_with_its_details(self):
        request = {"model": "models/none", "prompt": "a red fox"}
        code, error = self.curl("GenerationService/CreateGeneration", request, *self.GRPC)
        # Eight times the code of gRPC.
        self.assertEqual(code, 8 * grpc.StatusCode.INVALID_ARGUMENT.value[0], error)
        detail = {detail["type"]: base64.b64decode(detail["value"] + "==") for detail in error["details"]}
        info = error_details_pb2.ErrorInfo.FromString(detail["google.rpc.ErrorInfo"])
        self.assertEqual((info.reason, info.domain), ("MODEL_UNKNOWN", "imagioo"))

    def test_the_same_over_grpc_web(self):
        code, answer = self.curl("ModelService/ListModels", {}, "--protocol", "grpcweb", "--http2-prior-knowledge")
        self.assertEqual(code, 0, answer)
        self.assertTrue(answer["models"])


if __name__ == "__main__":
    unittest.main()
