class Dags:
    """DAGs, their tasks and the edges between them, found by walking over the statements of a module in order."""

    def __init__(self):
        self.dags = []
        self.lost = []
        self.by_variable = {}
        self.tasks = {}
        self.task_functions = {}

    def add_dag(self, line, made, variable, name=None):
        first = made["args"][0] if made["args"] else None
        identity = made["kwargs"].get("dag_id", first if isinstance(first, str) else name)
        dag = {"line": line, "id": identity, "kwargs": made["kwargs"], "tasks": [], "edges": []}
        self.dags.append(dag)
        if variable:
            self.by_variable[variable] = dag
        return dag

    def add_task(self, dag, line, made, variable):
        of = made["kwargs"].pop("dag", None)
        if isinstance(of, dict):
            dag = self.by_variable.get(of.get("$source"), dag)
        dag = dag or (self.dags[0] if len(self.dags) == 1 else None)
        identity = made["kwargs"].pop("task_id", None)
        if dag is None or not isinstance(identity, str):
            return self.lose(line, "a task whose id or DAG is computed by the program")
        dag["tasks"].append({"line": line, "id": identity, "operator": made["$call"], "kwargs": made["kwargs"], "args": made["args"]})
        if variable:
            self.tasks[variable] = (dag, identity)
        return (dag, identity)

    def lose(self, line, text):
        self.lost.append({"line": line, "text": text})

    def walk(self, statements, dag):
        for node in statements:
            if isinstance(node, ast.With):
                self.walk(node.body, self.enter(node, dag))
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                self.called(node.value, dotted(node.targets[0]), dag)
            elif isinstance(node, ast.Expr):
                self.expression(node.value, dag)
            elif isinstance(node, ast.FunctionDef):
                self.function(node, dag)
            elif isinstance(node, (ast.For, ast.While)):
                if any(isinstance(inner, ast.Call) and is_task(inner) for inner in ast.walk(node)):
                    self.lose(node.lineno, "tasks that a loop makes")
            elif isinstance(node, (ast.If, ast.Try)):
                self.walk(node.body, dag)

    def enter(self, node, dag):
        for item in node.items:
            if isinstance(item.context_expr, ast.Call):
                name = dotted(item.context_expr.func)
                variable = dotted(item.optional_vars) if item.optional_vars else None
                if name == "DAG":
                    dag = self.add_dag(node.lineno, call(item.context_expr), variable)
                elif name == "TaskGroup":
                    self.lose(node.lineno, "a group of tasks; its tasks stand in the job by themselves")
        return dag

    def called(self, node, variable, dag):
        name = dotted(node.func)
        if name == "DAG":
            return self.add_dag(node.lineno, call(node), variable)
        if is_task(node):
            return self.add_task(dag, node.lineno, call(node), variable)
        if isinstance(node.func, ast.Name) and name in self.task_functions and dag is not None:
            made = {"$call": "@task", "args": [], "kwargs": {"task_id": self.task_functions[name], "python_callable": name}}
            task = self.add_task(dag, node.lineno, made, variable)
            for argument in [*node.args, *(item.value for item in node.keywords)]:
                self.connect(self.ends(argument, dag), [task] if task else [], node.lineno)
            return task
        return None

    def expression(self, node, dag):
        if isinstance(node, ast.BinOp):
            self.ends(node, dag)
        elif isinstance(node, ast.Call):
            name = dotted(node.func)
            arguments = [self.ends(item, dag) for item in node.args] if name in EDGES else []
            if name == "chain":
                for before, after in zip(arguments, arguments[1:]):
                    if len(before) == len(after) and len(before) > 1:
                        for pair in zip(before, after):
                            self.connect([pair[0]], [pair[1]], node.lineno)
                    else:
                        self.connect(before, after, node.lineno)
            elif name == "cross_downstream" and len(arguments) == 2:
                self.connect(arguments[0], arguments[1], node.lineno)
            elif name in EDGES and arguments and isinstance(node.func, ast.Attribute):
                own = self.ends(node.func.value, dag)
                self.connect(*((own, arguments[0]) if name == "set_downstream" else (arguments[0], own)), node.lineno)
            else:
                self.called(node, None, dag)

    def ends(self, node, dag):
        """The tasks that an expression stands for; `a >> b` connects them and stands for b."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.RShift, ast.LShift)):
            left, right = self.ends(node.left, dag), self.ends(node.right, dag)
            self.connect(*((left, right) if isinstance(node.op, ast.RShift) else (right, left)), node.lineno)
            return right
        if isinstance(node, (ast.List, ast.Tuple)):
            return [end for item in node.elts for end in self.ends(item, dag)]
        if isinstance(node, ast.Name) and node.id in self.tasks:
            return [self.tasks[node.id]]
        if isinstance(node, ast.Call):
            task = self.called(node, None, dag)
            return [task] if isinstance(task, tuple) else []
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in CONSTANTS:
            self.lose(node.lineno, f"dependencies of `{node.id}`, which is no single task")
        return []

    def connect(self, before, after, line):
        for upstream in before:
            for downstream in after:
                if upstream[0] is downstream[0]:
                    upstream[0]["edges"].append([upstream[1], downstream[1]])
                else:
                    self.lose(line, "a dependency between tasks of two DAGs")

    def function(self, node, dag):
        for decorator in node.decorator_list:
            made = call(decorator) if isinstance(decorator, ast.Call) else {"args": [], "kwargs": {}}
            name = dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
            if name == "dag":
                return self.walk(node.body, self.add_dag(node.lineno, made, None, node.name))
            if name == "task":
                self.task_functions[node.name] = made["kwargs"].get("task_id", node.name)
                return None
        return None


EDGES = {"chain", "cross_downstream", "set_downstream", "set_upstream"}


def is_task(node):
    name = dotted(node.func) or ""
    return name.endswith(("Operator", "Sensor")) or any(item.arg == "task_id" for item in node.keywords)


def airflow(tree):
    found = Dags()
    found.walk(tree.body, None)
    return {"dags": found.dags, "lost": found.lost}


answer(airflow)
