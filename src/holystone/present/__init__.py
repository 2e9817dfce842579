"""Output for people and programs: text, JSON, CI logs. Works on values, never on the engine.

A command opens its output once, asks for a text or a document, and writes it::

    out = open_output(sys.stdout, os.environ, color=options.color)
    out.write(report.plan.render(inventory, plan, out.look))
    out.write(document.dump(document.plan(plan), indent=out.interactive))
"""
