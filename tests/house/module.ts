/**
 * What a module takes from outside: its imports and the global names it refers to, found by the
 * TypeScript compiler, so that comments, strings and local names never count.
 *
 * @module
 */
import ts from "typescript";

/** One import, re-export, dynamic import or `import("...")` type. */
export interface ModuleImport {
  /** What stands between the quotes; `undefined` where a dynamic import computes it. */
  specifier: string | undefined;
  /** The names imported, or `undefined` for all of them. */
  names: string[] | undefined;
  /** Whether nothing of it is left at run time. */
  typeOnly: boolean;
  line: number;
}

/** One use of a name that the module does not declare. */
export interface GlobalUse {
  /** The name, such as `Math`. */
  name: string;
  /** The member used of it, such as `random`; `undefined` where the whole object is taken. */
  member: string | undefined;
  line: number;
}

/** What {@linkcode readModule} found, in the order of the text. */
export interface ModuleFacts {
  imports: ModuleImport[];
  globals: GlobalUse[];
}

/** Reads one module. Names that are only types count as well. */
export function readModule(path: string, text: string): ModuleFacts {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const { resolve } = binderOf(source);
  const facts: ModuleFacts = { imports: [], globals: [] };
  const visit = (node: ts.Node): void => {
    const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    const imported = importOf(node);
    if (imported) facts.imports.push({ ...imported, line });
    if (ts.isIdentifier(node) && isReference(node) && !resolve(node)) {
      facts.globals.push({ name: node.text, member: memberOf(node), line });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return facts;
}

/** Binds the names of one file, alone in its program. */
function binderOf(source: ts.SourceFile): { resolve(name: ts.Identifier): boolean } {
  const options: ts.CompilerOptions = { noLib: true, noResolve: true, types: [] };
  const checker = ts.createProgram([source.fileName], options, {
    fileExists: (path) => path === source.fileName,
    getCanonicalFileName: (path) => path,
    getCurrentDirectory: () => "/",
    getDefaultLibFileName: () => "lib.d.ts",
    getNewLine: () => "\n",
    getSourceFile: (path) => path === source.fileName ? source : undefined,
    readFile: () => undefined,
    useCaseSensitiveFileNames: () => true,
    writeFile: () => {},
  }).getTypeChecker();
  return {
    resolve(name) {
      const symbol = ts.isShorthandPropertyAssignment(name.parent)
        ? checker.getShorthandAssignmentValueSymbol(name.parent)
        : ts.isExportSpecifier(name.parent)
        ? checker.getExportSpecifierLocalTargetSymbol(name.parent)
        : checker.getSymbolAtLocation(name);
      return (symbol?.declarations?.length ?? 0) > 0;
    },
  };
}

function importOf(node: ts.Node): Omit<ModuleImport, "line"> | undefined {
  if (ts.isImportDeclaration(node)) {
    const bindings = node.importClause?.namedBindings;
    const whole = node.importClause?.name || (bindings && ts.isNamespaceImport(bindings));
    return {
      specifier: literalText(node.moduleSpecifier),
      names: whole
        ? undefined
        : bindings && ts.isNamedImports(bindings)
        ? bindings.elements.map(({ name, propertyName }) => (propertyName ?? name).text)
        : [],
      typeOnly: node.importClause?.isTypeOnly ?? false,
    };
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier) {
    const named = node.exportClause && ts.isNamedExports(node.exportClause)
      ? node.exportClause.elements.map(({ name, propertyName }) => (propertyName ?? name).text)
      : undefined;
    return {
      specifier: literalText(node.moduleSpecifier),
      names: named,
      typeOnly: node.isTypeOnly,
    };
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    return { specifier: literalText(node.arguments[0]), names: undefined, typeOnly: false };
  }
  if (ts.isImportTypeNode(node)) {
    const { argument } = node;
    const specifier = ts.isLiteralTypeNode(argument) ? literalText(argument.literal) : undefined;
    return { specifier, names: undefined, typeOnly: true };
  }
  return undefined;
}

function literalText(node: ts.Node | undefined): string | undefined {
  return node && ts.isStringLiteralLike(node) ? node.text : undefined;
}

/** Whether an identifier refers to a variable or type, rather than being a name of its own. */
function isReference(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  if (ts.isQualifiedName(parent)) return parent.left === node;
  if (ts.isBindingElement(parent)) return parent.initializer === node;
  if (ts.isExportSpecifier(parent)) {
    return !parent.parent.parent.moduleSpecifier && (parent.propertyName ?? parent.name) === node;
  }
  if (ts.isImportSpecifier(parent) || ts.isImportClause(parent)) return false;
  if (ts.isImportTypeNode(parent) || ts.isMetaProperty(parent)) return false;
  if (ts.isNamedTupleMember(parent) || ts.isImportAttribute(parent)) return parent.name !== node;
  if (ts.isLabeledStatement(parent) || ts.isBreakOrContinueStatement(parent)) return false;
  return true;
}

/** `now` of `Date.now` and `Date["now"]`. */
function memberOf(node: ts.Identifier): string | undefined {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.name.text;
  if (ts.isQualifiedName(parent)) return parent.right.text;
  if (ts.isElementAccessExpression(parent) && parent.expression === node) {
    return literalText(parent.argumentExpression);
  }
  return undefined;
}
