def beat(tree):
    names = {"beat_schedule", "CELERYBEAT_SCHEDULE", "CELERY_BEAT_SCHEDULE"}
    found = {"timezone": None, "entries": []}
    for name, node in assignments(tree):
        if name in ("timezone", "CELERY_TIMEZONE") and isinstance(value(node), str):
            found["timezone"] = value(node)
        if name in names and isinstance(node, ast.Dict):
            for key, item in zip(node.keys, node.values):
                named = value(key) if key is not None else None
                found["entries"].append({"line": item.lineno, "name": str(named), "entry": value(item)})
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func) == "add_periodic_task":
            found["entries"].append({"line": node.lineno, "name": None, "entry": call(node)})
    return found


answer(beat)
