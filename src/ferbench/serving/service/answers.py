"""What the service answers, as typed records that its OpenAPI description shows."""

from __future__ import annotations

import base64
import io
from typing import Any, Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from ferbench.serving.predictor import Face
from ferbench.serving.service.saliency import SaliencyMap

__all__ = [
    "ErrorAnswer",
    "FaceAnswer",
    "HealthAnswer",
    "ModelAnswer",
    "PredictAnswer",
    "PredictOptions",
    "PromotionAnswer",
    "SaliencyAnswer",
]

Box = tuple[float, float, float, float]


class PredictOptions(BaseModel):
    """Options of a prediction."""

    model_config = ConfigDict(extra="forbid")

    crop: bool = Field(False, description="The picture is one aligned face.")
    saliency: bool = Field(
        False, description="Also give Grad-CAM maps of the best faces, where the model has them."
    )


class SaliencyAnswer(BaseModel):
    """What supports a prediction: bright places do."""

    box: Box = Field(description="Part of the picture: left, top, right, bottom, as fractions.")
    png: str = Field(description="A grey PNG file, base64.")

    @classmethod
    def of(cls, found: SaliencyMap) -> SaliencyAnswer:
        """The answer of a map."""
        file = io.BytesIO()
        Image.fromarray(found.values).save(file, "PNG")
        return cls(box=found.box, png=base64.b64encode(file.getvalue()).decode())


class FaceAnswer(BaseModel):
    """A face in the picture, and the expression that it shows."""

    box: Box = Field(description="Left, top, right, bottom, as fractions of the upright picture.")
    emotion: str = Field(description="The most probable one.")
    probabilities: dict[str, float] = Field(description="Of every emotion; their sum is 1.")
    face_score: float = Field(description="From 0 to 1, how surely this is a face.")
    saliency: SaliencyAnswer | None = None

    @classmethod
    def of(cls, face: Face, found: SaliencyMap | None) -> FaceAnswer:
        """The answer of a face and its map."""
        saliency = None if found is None else SaliencyAnswer.of(found)
        return cls(**face.as_json(), saliency=saliency)


class PredictAnswer(BaseModel):
    """The faces of a picture, best first."""

    width: int = Field(description="Of the upright picture, px.")
    height: int = Field(description="Of the upright picture, px.")
    faces: list[FaceAnswer]
    truncated: bool = Field(description="Whether there are more faces than are given.")
    model: str = Field(description="Digest of the model.")


class HealthAnswer(BaseModel):
    """Whether the service works, and how busy it is."""

    status: Literal["ok", "failed"]
    waiting: int = Field(description="Number of requests that wait or are being predicted.")


class GateAnswer(BaseModel):
    """The outcome of one promotion gate."""

    gate: str
    passed: bool
    reason: str


class PromotionAnswer(BaseModel):
    """What the promotion gates decided about the model."""

    model: str = Field(description="Name in the registry.")
    version: str
    promoted: bool
    gates: list[GateAnswer]


class ModelAnswer(BaseModel):
    """The model, its card, and the evidence that it was promoted on."""

    name: str
    task: str
    classes: list[str]
    source: dict[str, Any] = Field(description="Study, data set, seed, commit and digests.")
    metrics: dict[str, float | None] = Field(description="On val.")
    digest: str
    version: str = Field(description="Of ferbench.")
    face_detector: str | None = Field(description="None if the model finds faces itself.")
    has_saliency: bool
    card: str = Field(description="Markdown.")
    card_html: str = Field(description="The card as HTML.")
    promotion: PromotionAnswer | None = Field(description="None if the model has no record of it.")


class ErrorAnswer(BaseModel):
    """Why a request was not served."""

    error: str
    remedy: str = ""
