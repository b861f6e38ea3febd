"""The manifest: which features, providers and models make the matrix, in which order, and how each is routed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from compat_pipeline.domain.cell import Cell

_FeatureId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Parsed = TypeVar("Parsed", bound=BaseModel)

_ModelId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9.-]*$")]


FeatureSet = Literal["v0", "all"]

AuthMode = Literal["signed", "bearer"]
"""How LiteLLM is known to Bedrock: by AWS keys that sign each request, or by a bearer token (Bedrock's API key)."""


Said = Annotated[str, Field(min_length=1, pattern=r"\S")]
"""Words in a file that somebody wrote by hand: some, and not blanks alone."""


class ManifestError(ValueError):
    """A manifest that cannot be used; the message names each wrong entry."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Feature(_Entry):
    """A row. Those of set `v0` are the PRD's first matrix; the set `all` has every row."""

    id: _FeatureId
    name: str = Field(min_length=1)
    set: FeatureSet = "v0"


class Model(_Entry):
    """The depth of every cell: a feature holds on a provider only if it holds with every model."""

    id: _ModelId
    name: str = Field(min_length=1)


class Provider(_Entry):
    """A column. `routes` maps each model id to the `model` that LiteLLM is configured with.

    `auth` lists the ways in which LiteLLM is given credentials, where there is more than the usual one: every row uses
    the first, rows about the connection itself use them all.
    """

    id: _FeatureId
    name: str = Field(min_length=1)
    auth: tuple[AuthMode, ...] = ()
    routes: dict[_ModelId, str]

    def served_as(self, model: str) -> dict[str, AuthMode | None]:
        """The names under which the proxy serves a model: `provider/model`, and `provider/model@auth` for each further
        way of authentication."""
        target = f"{self.id}/{model}"
        first, *others = self.auth or (None,)
        return {target: first} | {f"{target}@{mode}": mode for mode in others}


class Manifest(_Entry):
    """The whole matrix as it is planned."""

    features: tuple[Feature, ...] = Field(min_length=1)
    providers: tuple[Provider, ...] = Field(min_length=1)
    models: tuple[Model, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        for what, ids in (
            ("feature", [feature.id for feature in self.features]),
            ("provider", [provider.id for provider in self.providers]),
            ("model", [model.id for model in self.models]),
        ):
            for twice in sorted({entry for entry in ids if ids.count(entry) > 1}):
                raise ValueError(f"{what} '{twice}' is listed twice")
        sets = [feature.set for feature in self.features]
        if sets != sorted(sets, reverse=True):
            raise ValueError("the features of set v0 come first: a set's rows are one range of partitions")
        models = {model.id for model in self.models}
        for provider in self.providers:
            if len(set(provider.auth)) < len(provider.auth):
                raise ValueError(f"provider '{provider.id}' lists a way of authentication twice")
            if missing := sorted(models - provider.routes.keys()):
                raise ValueError(f"provider '{provider.id}' has no route for {', '.join(missing)}")
            if unknown := sorted(provider.routes.keys() - models):
                raise ValueError(f"provider '{provider.id}' routes models that are not listed: {', '.join(unknown)}")
        return self

    def of_set(self, wanted: FeatureSet) -> Manifest:
        """This manifest with the rows of one set only."""
        return self.of_rows(feature.id for feature in self.features if wanted == "all" or feature.set == wanted)

    def of_rows(self, wanted: Iterable[str]) -> Manifest:
        """This manifest with the features of these ids only."""
        ids = set(wanted)
        return self.model_copy(update={"features": tuple(row for row in self.features if row.id in ids)})

    def of_targets(self, wanted: Iterable[str]) -> Manifest:
        """This manifest with these targets only; raises ValueError for one that there is none of."""
        chosen = set(wanted)
        if unknown := sorted(chosen.difference(self.targets)):
            raise ValueError(f"no target is called {', '.join(unknown)}")
        models = tuple(model for model in self.models if any(target.endswith(f"/{model.id}") for target in chosen))
        providers = tuple(
            provider.model_copy(update={"routes": {model.id: provider.routes[model.id] for model in models}})
            for provider in self.providers
            if any(target.startswith(f"{provider.id}/") for target in chosen)
        )
        return self.model_copy(update={"providers": providers, "models": models})

    @property
    def cells(self) -> list[Cell]:
        """Every planned cell: features, then providers, then models, in manifest order."""
        return [
            Cell(feature.id, provider.id, model.id)
            for feature in self.features
            for provider in self.providers
            for model in self.models
        ]

    @property
    def targets(self) -> list[str]:
        """Every `provider/model`, in manifest order."""
        return [f"{provider.id}/{model.id}" for provider in self.providers for model in self.models]

    @property
    def served(self) -> list[str]:
        """Every name that the proxy answers to, in manifest order."""
        return [name for provider in self.providers for model in self.models for name in provider.served_as(model.id)]


NOT_YAML = (yaml.YAMLError, ValueError, LookupError, AttributeError)
"""What reading YAML can end in: a day that does not exist is a ValueError, a tag on a wrong value any of the last."""


def parse_manifest(text: str, source: str = "manifest.yaml") -> Manifest:
    """Read and validate manifest YAML; raises ManifestError that names `source` and each wrong entry."""
    return parse_as(Manifest, text, source)


def parse_as(model: type[Parsed], text: str, source: str) -> Parsed:
    """YAML as a `model`; raises ManifestError that names `source` and each wrong entry."""
    try:
        document = yaml.safe_load(text)
    except NOT_YAML as error:
        raise ManifestError(f"{source} is not YAML: {error}") from error
    try:
        return model.model_validate(document)
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, item['loc'])) or 'manifest'}: {item['msg']}" for item in error.errors()]
        raise ManifestError(f"{source} is not a valid manifest:\n" + "\n".join(lines)) from error
