"""The generated credentials of one emulator, and the service-account key Vertex clients are given."""

from __future__ import annotations

import json
import secrets

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import BaseModel, ConfigDict


class EmulatorCredentials(BaseModel):
    """What each emulated provider accepts; `vertex_private_key` is an RSA key in PEM."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    anthropic_api_key: str
    azure_api_key: str
    aws_access_key_id: str
    aws_secret_access_key: str
    aws_bearer_token: str
    aws_region: str
    vertex_project: str
    vertex_location: str
    vertex_private_key: str
    control_token: str

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be in anything that is kept or shown."""
        return tuple(self.model_dump(exclude={"aws_region", "vertex_project", "vertex_location"}).values())

    @classmethod
    def generate(cls) -> EmulatorCredentials:
        """New random credentials in the shape of the real ones."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return cls(
            anthropic_api_key=f"sk-ant-api03-{secrets.token_urlsafe(32)}",
            azure_api_key=secrets.token_hex(32),
            aws_access_key_id="AKIA" + secrets.token_hex(8).upper(),
            aws_secret_access_key=secrets.token_urlsafe(30),
            aws_bearer_token=f"bedrock-api-key-{secrets.token_urlsafe(32)}",
            aws_region="us-east-1",
            vertex_project="compat-emulated",
            vertex_location="us-east5",
            vertex_private_key=pem.decode(),
            control_token=secrets.token_urlsafe(32),
        )

    @property
    def vertex_client_email(self) -> str:
        return f"compat@{self.vertex_project}.iam.gserviceaccount.com"

    def service_account_json(self, base_url: str) -> str:
        """The key file for google-auth; its token endpoint is the emulator at `base_url`."""
        return json.dumps(
            {
                "type": "service_account",
                "project_id": self.vertex_project,
                "private_key_id": "compat",
                "private_key": self.vertex_private_key,
                "client_email": self.vertex_client_email,
                "client_id": "0",
                "token_uri": f"{base_url}/token",
            }
        )
