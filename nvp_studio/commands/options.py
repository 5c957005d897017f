"""Options of a command made from the described fields of a configuration (`nvp_studio.fields`)."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import NoneType
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
import typer

from nvp_studio.data.image_size import ImageSize, parse_size
from nvp_studio.data.reading import Reading
from nvp_studio.fields import Described

SIZE = "SIDE|WIDTHxHEIGHT"
"""What stands for the size of images in the help of options."""

Function = TypeVar("Function", bound=Callable[..., None])


def options_of(
    struct: type[msgspec.Struct],
    *,
    prefix: str = "",
    without: Mapping[str, str] | None = None,
    omit: Sequence[str] = (),
) -> Iterator[inspect.Parameter]:
    """An option for each described field of `struct`, whose parameter is called as the field, after `prefix`.

    Fields whose names are in `omit` get none.

    The help shows the field's default, or the text that `without` has for the field: what holds without the option. In
    that case the parameter's default is None.
    """
    hints = get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        description = _description(hints[field.name])
        if description is None or field.name in omit:
            continue
        text = (without or {}).get(field.name)
        help = description.help if text is None else f"{description.help.removesuffix('.')}; without it {text}."
        flags = description.flags or f"--{field.name.replace('_', '-')}"
        kind, default = _plain_type(hints[field.name]), field.default
        sized: dict[str, Any] = {"parser": size_option, "metavar": SIZE} if kind is ImageSize else {}
        option = typer.Option(flags, help=help, rich_help_panel=description.group, **sized)
        if kind is ImageSize:
            kind = Any
        if text is not None:
            kind, default = kind | None, None
        elif get_origin(kind) is list:
            default = list(default)
        yield inspect.Parameter(
            prefix + field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=Annotated[kind, option],
        )


def with_options(options: Iterable[inspect.Parameter]) -> Callable[[Function], Function]:
    """Give a command these options before its own, in place of its parameter `**fields`, which it takes them by."""
    added = list(options)

    def decorate(command: Function) -> Function:
        signature = inspect.signature(command, eval_str=True)
        own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
        context, rest = own[0], [one.replace(kind=one.KEYWORD_ONLY) for one in own[1:]]
        command.__signature__ = signature.replace(parameters=[context, *added, *rest])  # type: ignore[attr-defined]
        return command

    return decorate


def size_option(text: str) -> ImageSize:
    """The size of images that an option gives; wrong ones are wrong usage."""
    try:
        return parse_size(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def given_fields(context: typer.Context, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the fields whose options stood on the command line."""
    sources = {name: context.get_parameter_source(name) for name in fields}
    return {name: value for name, value in fields.items() if getattr(sources[name], "name", "") == "COMMANDLINE"}


def given_reading(fields: Mapping[str, Any]) -> Reading:
    """The reading of the data that the options of `Reading` ask for; wrong values are wrong usage."""
    try:
        return msgspec.convert({name: fields[name] for name in Reading.__struct_fields__ if name in fields}, Reading)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _description(hint: Any) -> Described | None:
    return next((note for note in getattr(hint, "__metadata__", ()) if isinstance(note, Described)), None)


def _plain_type(hint: Any) -> Any:
    """The type of an option for a field of type `hint`: one of literals takes any value of theirs, checked later."""
    if get_origin(hint) is Annotated:
        return _plain_type(get_args(hint)[0])
    if get_origin(hint) is Literal:
        return type(get_args(hint)[0])
    if get_origin(hint) is tuple:
        return list[_plain_type(get_args(hint)[0])]  # type: ignore[misc] # an option that may be repeated
    if hint == ImageSize | None:
        return ImageSize
    optional = [one for one in get_args(hint) if one is not NoneType]
    return _plain_type(optional[0]) | None if optional else hint
