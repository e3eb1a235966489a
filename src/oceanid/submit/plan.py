"""A description compiled: what is the same for every task is made once, the rest per task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from oceanid.errors import InvalidSpecification
from oceanid.specs import Capability, Resources, TaskSpec
from oceanid.submit import fields, quoting, values
from oceanid.submit.items import Items
from oceanid.submit.macros import Macro, MacroTable, Scope, Template
from oceanid.submit.texts import Value, as_text
from oceanid.submit.vocabulary import COMMANDS, Command, Kind, Use, command

_Build = Callable[[Sequence[str], str], Any]


class Plan:
    """Makes the tasks of one description.

    Args:
        attributes: The description's attributes: canonical name to value.
        constants: The portal's macros.
        items: What it is queued for.
        directory: The job's directory.

    Raises:
        InvalidSpecification: Something in it can't be run.
    """

    def __init__(
        self,
        *,
        attributes: Mapping[str, Value],
        constants: Mapping[str, str],
        items: Items,
        directory: str,
    ) -> None:
        self._items = items
        self._directory = directory
        self._values: dict[str, Value] = dict(attributes)
        for name in items.names:
            named = command(name)
            if named is not None and named.name in COMMANDS:
                # As in HTCondor: `queue arguments from …` gives the command itself its value.
                self._values[named.name] = f"$({name})"
        if self._text("universe").lower() == "parallel":
            constants = {**constants, "node": "$(Node)"}
        self._table = MacroTable(
            commands={name: as_text(name, value) for name, value in self._values.items()},
            constants=constants,
            item_names=items.names,
            directory=directory,
        )
        self.reasons: dict[Capability, list[str]] = {}
        self._passthrough: list[tuple[str, Template]] = []
        self._constant: dict[str, Any] = {}
        self._varying: list[tuple[str, tuple[Template, ...], _Build]] = []
        self._base = self._compile("initialdir")
        self._fixed_base = None if self._base.constant is None else self._folder("")
        self._compile_fields()
        self._compile_passthrough()
        self._look_for_urls()
        self._capabilities = frozenset(self.reasons)
        self._constant["capabilities"] = self._capabilities

    def scope(self, index: int, job_id: str) -> Scope:
        """What the macros of one task stand for."""
        item, step = divmod(index, self._items.steps)
        row = self._items.rows[item] if self._items.names else ()
        return Scope(index, step, item, row, job_id)

    def task(self, scope: Scope, extra_environment: Mapping[str, str]) -> TaskSpec:
        """One task with every macro replaced."""
        made = dict(self._constant)
        base = self._fixed_base
        if base is None:
            base = made["initialdir"] = self._folder_of(scope)
        for field, templates, build in self._varying:
            made[field] = build([template.expand(scope) for template in templates], base)
        if extra_environment:
            merged = {**dict(made.get("environment", ())), **extra_environment}
            made["environment"] = tuple(merged.items())
        return TaskSpec(**made)

    def resources(self) -> Resources:
        """What is enough for each of the tasks."""
        if "resources" in self._constant:
            fixed: Resources = self._constant["resources"]
            return fixed
        templates, build = next((t, b) for field, t, b in self._varying if field == "resources")
        scopes = (self.scope(index, "0") for index in range(self._items.count))
        return fields.most(build([t.expand(scope) for t in templates], "") for scope in scopes)

    def fixed(self, name: str) -> bool:
        """Whether this field is the same for every task."""
        return name in self._constant

    def constant(self, name: str, default: str = "") -> str:
        """A command's value, which must be the same for every task."""
        template = self._compile(name)
        if template.constant is None:
            raise InvalidSpecification("{name} must be the same for every task.", name=name)
        return template.constant.strip() or default

    def _text(self, name: str) -> str:
        value = self._values.get(name, "")
        return value if isinstance(value, str) else ""

    def _compile(self, name: str) -> Template:
        return self._field_template(self._text(name), name)

    def _field_template(self, text: str, name: str) -> Template:
        template = self._table.compile(text)
        if template.has_match:
            raise InvalidSpecification(
                "{name} uses $$(), which only a scheduler's own expressions can.",
                hint="Let the job find out about its machine by itself.",
                name=name,
            )
        return template

    def _folder(self, text: str) -> str:
        text = (self._base.constant or text).strip()
        if not text:
            return self._directory
        return fields.within(self._directory, text, "initialdir").removesuffix("/.")

    def _folder_of(self, scope: Scope) -> str:
        return self._folder(self._base.expand(scope))

    def _add(self, field: str, templates: Sequence[Template], build: _Build) -> None:
        texts = [template.constant for template in templates if template.constant is not None]
        if len(texts) == len(templates) and self._fixed_base is not None:
            self._constant[field] = build(texts, self._fixed_base)
        else:
            self._varying.append((field, tuple(templates), build))

    def _flag(self, name: str, default: bool) -> bool:
        text = self.constant(name)
        return values.truth(name, text) if text else default

    def _compile_fields(self) -> None:
        if self._fixed_base is not None:
            self._constant["initialdir"] = self._fixed_base
        fields.refuse_getenv(self.constant("getenv"))
        self._compile_executable()
        self._compile_words()
        self._compile_files()
        requests = [name for name in self._values if name in fields.REQUESTS]
        if "allowed_execute_duration" in self._values:
            requests.append("allowed_execute_duration")
            self._need(Capability.WALL_TIME, "allowed_execute_duration")
        templates = [self._table.compile(self._text(name)) for name in requests]
        for name, template in zip(requests, templates, strict=True):
            if template.has_match or values.is_expression(template.constant or ""):
                self._need(Capability.QUEUE, name)
                self._passthrough.append((name, template))
            if name == "request_gpus" and template.constant not in ("", "0"):
                self._need(Capability.GPUS, name)
        self._add(
            "resources",
            templates,
            lambda texts, base: fields.resources(dict(zip(requests, texts, strict=True))),
        )
        self._add_whole("priority", "priority", least=-(2**31), most=2**31 - 1)
        self._add_whole("success_exit_code", "success_exit_code", least=0, most=255)
        if self._text("kill_sig"):
            self._constant["kill_signal"] = values.signal_name(
                "kill_sig", self.constant("kill_sig")
            )
        for name in ("kill_sig_timeout", "job_max_vacate_time"):
            text = self.constant(name)
            if text and values.is_expression(text):
                self._need(Capability.QUEUE, name)
                self._passthrough.append((name, self._table.compile(text)))
            elif text:
                self._constant["kill_timeout_s"] = values.whole(name, text, least=0, most=10**7)

    def _compile_executable(self) -> None:
        transfers = self._transfers = fields.transfers(self.constant("should_transfer_files"))
        asked = self.constant("transfer_executable")
        wanted = values.truth("transfer_executable", asked) if asked else None
        contained = any(self._text(name) for name in ("container_image", "docker_image"))

        def path(texts: Sequence[str], base: str) -> str:
            found = fields.executable(self._directory, texts[0], may_lack=contained)
            name = texts[0].strip().strip('"')
            if wanted is False and transfers and name and not name.startswith("/"):
                raise InvalidSpecification(
                    "The executable “{name}” is relative, but transfer_executable is False.",
                    hint="Give its absolute path on the execute machine.",
                    name=name,
                )
            return found

        def travels(texts: Sequence[str], base: str) -> bool:
            name = texts[0].strip().strip('"')
            if not transfers or not name:
                return False
            return wanted if wanted is not None else not name.startswith("/")

        template = self._compile("executable")
        self._constant["transfer_files"] = transfers
        self._add("executable", [template], path)
        self._add("transfer_executable", [template], travels)

    def _compile_words(self) -> None:
        arguments = self._values.get("arguments", "")
        if isinstance(arguments, str):
            self._add(
                "arguments",
                [self._compile("arguments")],
                lambda texts, base: fields.checked_words(
                    quoting.parse_arguments(texts[0]), "arguments"
                ),
            )
        else:
            self._add(
                "arguments",
                [self._literal(str_, "arguments") for str_ in arguments],  # type: ignore[arg-type]
                lambda texts, base: fields.checked_words(tuple(texts), "arguments"),
            )
        environment = self._values.get("environment", "")
        if isinstance(environment, str):
            self._add(
                "environment",
                [self._compile("environment")],
                lambda texts, base: quoting.parse_environment(texts[0]),
            )
        else:
            names = [pair[0] for pair in environment]
            self._add(
                "environment",
                [self._literal(pair[1], "environment") for pair in environment],
                lambda texts, base: tuple(
                    zip(names, fields.checked_words(tuple(texts), "environment"), strict=True)
                ),
            )

    def _literal(self, text: str, name: str) -> Template:
        if isinstance(text, Macro):
            return self._field_template(str(text), name)
        return Template((), text)

    def _compile_files(self) -> None:
        keep = self._flag("preserve_relative_paths", default=False)
        for field, name in (("stdin", "input"), ("stdout", "output"), ("stderr", "error")):
            if name in self._values:
                self._add(
                    field,
                    [self._compile(name)],
                    self._stream(name),
                )
            elif field != "stdin":
                # Nothing was said: they are kept where get_logs() finds them.
                template = self._table.compile(f"logs/{field}.$(Process)")
                self._add(field, [template], lambda texts, base: f"{self._directory}/{texts[0]}")
        appended = fields.names_of(self.constant_list("append_files"))
        if appended:
            streams = {self._text("output").strip(), self._text("error").strip()}
            self._constant["stdout_append"] = not streams.isdisjoint(appended)
            self._passthrough.append(("append_files", self._table.compile(",".join(appended))))
        if not self._transfers:
            return
        self._add_list(
            "inputs",
            "transfer_input_files",
            lambda base, name: fields.input_transfer(base, name, keep_folders=keep),
        )
        if "transfer_output_files" in self._values:
            self._add_list(
                "outputs",
                "transfer_output_files",
                lambda base, name: fields.output_transfer(base, name, keep_folders=keep),
            )
        remaps = self._values.get("transfer_output_remaps", "")
        if isinstance(remaps, str):
            self._add(
                "output_remaps",
                [self._compile("transfer_output_remaps")],
                lambda texts, base: tuple(
                    fields.remap(base, name, new) for name, new in fields.parse_remaps(texts[0])
                ),
            )
        else:
            templates = [
                self._field_template(text, "transfer_output_remaps")
                for pair in remaps
                for text in pair
            ]
            self._add(
                "output_remaps",
                templates,
                lambda texts, base: tuple(
                    fields.remap(base, name, new)
                    for name, new in zip(texts[::2], texts[1::2], strict=True)
                ),
            )
        if keep:
            self._passthrough.append(("preserve_relative_paths", self._table.compile("True")))

    def _stream(self, name: str) -> _Build:
        return lambda texts, base: fields.stream(base, texts[0].strip(), name)

    def constant_list(self, name: str) -> str:
        """A list of files, which must be the same for every task, separated by commas."""
        value = self._values.get(name, "")
        text = value if isinstance(value, str) else as_text(name, value)
        template = self._field_template(text, name)
        if template.constant is None:
            raise InvalidSpecification("{name} must be the same for every task.", name=name)
        return template.constant

    def _add_list(self, field: str, name: str, make: Callable[[str, str], object]) -> None:
        value = self._values.get(name, "")
        if isinstance(value, str):
            self._add(
                field,
                [self._compile(name)],
                lambda texts, base: tuple(make(base, each) for each in fields.names_of(texts[0])),
            )
            return
        templates = [self._field_template(str(each), name) for each in value]
        self._add(
            field, templates, lambda texts, base: tuple(make(base, each.strip()) for each in texts)
        )

    def _add_whole(self, field: str, name: str, *, least: int, most: int) -> None:
        if self._text(name):
            self._add(
                field,
                [self._compile(name)],
                lambda texts, base: values.whole(name, texts[0], least=least, most=most),
            )

    def _need(self, capability: Capability, name: str) -> None:
        self.reasons.setdefault(capability, []).append(name)

    def _compile_passthrough(self) -> None:
        for name, value in self._values.items():
            known = command(name)
            if known is None or known.use in (Use.FIELD, Use.IGNORE):
                continue
            template = self._table.compile(as_text(name, value))
            text = (template.constant or "").strip().lower()
            if template.constant is not None and not text:
                continue
            if name == "universe":
                self._compile_universe(text, template)
                continue
            self._check(known, template)
            if known.needs is not None and text not in known.idle:
                self._need(known.needs, name)
            if template.has_match:
                self._need(Capability.QUEUE, name)
            self._passthrough.append((name, template))
        if all(template.constant is not None for _, template in self._passthrough):
            passed = [(name, template.constant) for name, template in self._passthrough]
            self._constant["passthrough"] = tuple(passed)
            return
        names = [name for name, _ in self._passthrough]
        self._add(
            "passthrough",
            [template for _, template in self._passthrough],
            lambda texts, base: tuple(zip(names, texts, strict=True)),
        )

    def _compile_universe(self, text: str, template: Template) -> None:
        fields.refuse_unknown_universe(template.constant or self._text("universe"))
        if text in ("container", "docker"):
            self._need(Capability.CONTAINERS, "universe")
        elif text != "vanilla":
            self._need(Capability.QUEUE, "universe")
        if text != "vanilla":
            self._passthrough.append(("universe", template))

    def _check(self, known: Command, template: Template) -> None:
        text = template.constant
        if text is None or template.has_match:
            return
        if known.kind is Kind.TRUTH:
            values.truth(known.name, text)
        elif known.kind is Kind.WHOLE:
            values.whole(known.name, text, least=0)

    def _look_for_urls(self) -> None:
        task = self.task(self.scope(0, "0"), {})
        if any(fields.is_url(each.source) for each in task.inputs):
            self._need(Capability.QUEUE, "transfer_input_files")
        if any(fields.is_url(target) for _, target in task.output_remaps):
            self._need(Capability.QUEUE, "transfer_output_remaps")
