"""Two plugins that use every kind of setting, for tests of the loader."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from router import units
from router.plugin import Delivery, Plugin, Receipt, Secret, Settings, Template, Url, setting
from router.registry import Found, Registry


class Signing(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    secret: Secret
    algorithm: Literal["sha256", "sha512"] = "sha256"


class WebSettings(Settings):
    url: Url = setting("Where to send each event.")
    method: Literal["POST", "PUT"] = setting("The HTTP method.", default="POST")
    headers: dict[str, Template] = setting("Headers to add.", default={})
    body: Template | None = setting("What is sent.", default=None)
    compress: bool = setting("Whether the body is compressed.", default=False)
    copies: int = Field(default=1, ge=1, le=3, description="How often.")
    tags: list[str] = setting("Words to add.", default=[])
    pause: float = setting("A wait between copies.", default=0.0)
    signing: Signing | None = setting("How requests are signed.", default=None)
    secrets: Secret | list[Secret] = setting("One secret or several.", default=[])

    @field_validator("pause", mode="before")
    @classmethod
    def _seconds(cls, value: object) -> object:
        return units.duration(value) if isinstance(value, str) else value


class Web(Plugin[WebSettings]):
    type = "web"
    Settings = WebSettings

    def deliver(self, delivery: Delivery) -> Receipt | None:
        return None


def _fits(text: Template) -> Template:
    if len(text.source) > 500:
        raise ValueError("a sheet has room for 500 characters")
    if text.source == "a fault of the plugin":
        raise KeyError(text.source)
    return text


class PaperSettings(Settings):
    path: Path = setting("The file to write.")
    text: Annotated[Template, AfterValidator(_fits)] = setting("What it says.", default=Template("{{ event.uuid }}"))


class Paper(Plugin[PaperSettings]):
    type = "paper"
    Settings = PaperSettings
    uses_receipts: ClassVar[bool] = True
    order: ClassVar[Literal["call", "none"]] = "call"

    def deliver(self, delivery: Delivery) -> Receipt | None:
        return None


REGISTRY = Registry({"web": Found(Web, "test"), "paper": Found(Paper, "test")}, {})
